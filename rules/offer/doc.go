// Package offer is what was agreed: programmes, partners and their stores,
// offers, campaigns and levels, each in versions. It says whether a catalogue is
// sound (Check: codes of what is wrong and where, for which texts.go has plain
// words), what holds at a time (InForceAt) and how terms read to a person (Wording).
// It knows neither the files that catalogues are written in nor the
// engine that decides by them.
package offer
