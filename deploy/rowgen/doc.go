// Command rowgen writes, from the tags of the row types in rules, everything that
// goes through a row column by column: its form in the outbox, ClickHouse's blocks,
// what is read back, the digests of the tally, and the JSON that leaves the house.
//
// A column of a row is its field:
//
//	PartnerID string `row:"partner_id"`
//
// The tag has the column's name, then what the type doesn't say of it:
//
//	unique       no value comes twice: the outbox looks for none before either
//	personal     an id of a person: it is kept in the map of accounts alone
//	rising       near the one of the row before
//	millis       milliseconds since 1970
//	rare         an instant that most rows don't have
//	optional     zero is a value of the enum
//	in=Channel   a bool that the outbox writes beside that field
//	of=ID        a bool in a list: its column has the ids for which it holds
//	beneficiary  the reference of whose money a line is
//	since=6      the outbox has it from that format on: one more than it had before
//
// "-" keeps a field in the outbox alone. A field that is a list of structs becomes
// a column of words for each of theirs. What a table has beside the fields of its
// rows stands in tables.go, how a type is written in forms.go.
//
// To add a column: the field with its tag, a migration (sinks/clickhouse/migrations),
// go generate ./deploy/rowgen. Everything that books, reads or tells the row has it then.
package main

//go:generate go run .
