// Package pipelinetest holds the tests of the whole way of the data, from Kafka to
// the ledger and the instructions: owners that are killed at each step, processes
// that hand shards on, budgets that they share, and whatever can be sent or
// configured. What tests a command is beside it, in cmd/ristourne. There is no
// code here, and nobody imports it.
package pipelinetest
