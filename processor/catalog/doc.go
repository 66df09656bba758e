// Package catalog is the language of offer files: it reads them, says all that is
// wrong or surely not meant, and turns them into what the rules decide by. The
// way from a folder to every processor:
//
//	folder of YAML files -> catalog.Load -> published.Publish -> Redis -> published.Watcher -> engine.Snapshot
//
// A file holds one version of one subject: of the programme, of a partner with
// its stores and offers, of a campaign, or of the levels of members. Load finds
// every fault of a folder at once, each with file, line and column. What is published stays: versions chain by content
// hash, the past can't be edited, and a purchase of last year is still decided
// by what was in force last year.
package catalog
