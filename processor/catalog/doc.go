// Package catalog turns offer files into what the rules decide by, and brings
// them from the folder where a bank writes them to every processor.
//
//	folder of YAML files -> Load -> Publish -> Redis -> Watcher -> rules.Snapshot
//
// A file holds one version of one subject: of the programme, of a partner with
// its stores and offers, of a campaign, or of the levels of members. Load finds every fault of a folder at once, each
// with file, line and column. What is published stays: versions chain by content
// hash, the past can't be edited, and a purchase of last year is still decided
// by what was in force last year.
package catalog
