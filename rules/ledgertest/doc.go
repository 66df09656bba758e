// Package ledgertest holds the ledger to its word. It has an oracle, which
// works every sum out from nothing, slowly and in the plainest way, from the
// contract alone; a generator, which makes up catalogues and the records of
// accounts' lives from a seed; and a shrinker, which cuts a case in which two
// implementations differ down to the records that matter. Nothing in it shares
// code with the engine but the types that cross its border.
package ledgertest
