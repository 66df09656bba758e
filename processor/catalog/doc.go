// Package catalog is the language of offer files: it reads them, says all that is
// wrong or surely not meant, and turns them into what the rules decide by. The
// way from a folder to every processor:
//
//	folder of YAML files -> catalog.Load -> published.Publish -> Redis -> published.Watcher -> engine.Snapshot
//
// A file holds one version of one subject: of the programme, of a partner with
// its stores and offers, of a campaign, or of the levels of members. Load finds
// every fault of a folder at once, each with file, line and column, and once: what
// the rules can decide they alone decide (offer.Check), and wordings.go says it with
// what the file says; what only a file shows is in the check files. What follows
// from a value that couldn't be read isn't told. What is published stays: versions
// chain by content hash, the past can't be edited, and a purchase of last year is
// still decided by what was in force last year.
package catalog
