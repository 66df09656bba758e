// Package published is the catalogue in Redis, a chain of versions each of which
// holds the hash of the one before: what publishing a folder changes (Publish,
// PreviewOf, End), what is published (Read, Entries, History), how a processor
// keeps up with it (Watcher), and how it is brought back (Restore).
package published
