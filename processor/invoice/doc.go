// Package invoice works out what partners owe for a booking month, and closes it.
//
// A month is what was booked in it (recorded_at, by the clock of the programme), not
// what was bought in it: a month that is over never changes. Lines that are booked
// into a closed month all the same, because Kafka's timestamps came late or a repair
// found them, are owed with the next one, by a document of their own that names the
// month and its invoice. So it comes to this, whatever comes when: the documents of a
// partner add up to his lines of the ledger and his fees, to the cent.
//
// Everything but [Closer.Close] is pure.
package invoice
