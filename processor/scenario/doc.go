// Package scenario runs scenario files: plain text that says what a catalogue
// gives for what members do, and is checked against the rules.
//
//	# Three percent, from 100 EUR on.
//
//	catalogue programme
//	  programme: cashback
//	  currency: EUR
//	  zone: Europe/Paris
//
//	catalogue cafe
//	  partner: cafe
//	  commission: 8%
//	  stores: [{id: bastille, keys: [{mid: CAFE}]}]
//	  offers: [{id: everyday, reward: 3%, min_spend: 100 EUR}]
//
//	2026-01-01  anna  enrolled
//
//	scenario the minimum itself earns
//	2026-03-02 09:15  anna  authorization  P1  100.00 EUR  at CAFE
//	2026-03-04        anna  clearing       P1  100.00 EUR            => booked
//	expect
//	  purchase  stage      reward    commission
//	  P1        confirmed  3.00 EUR  8.00 EUR
//
// A statement begins in the first column; indented lines belong to the one
// above. A # at the beginning of a line or after a space begins a comment. What
// stands before the first scenario holds for all of them.
//
//	catalogue NAME        an offer file, indented below. In a scenario it stands
//	                      for the one of this name that holds for all. Programme,
//	                      partners, levels and campaigns: a catalogue each, and
//	                      so for each later version of one.
//	catalogue DIR/        a folder of offer files, relative to this file; named
//	                      offer files stand for those of the folder.
//	zone NAME             in which times without an offset are read; without it
//	                      the programme's.
//	merchant NAME k=v...  what a card message says of a merchant: id,
//	                      acquirer_id, mcc and so on. Other names are merchant ids.
//	scenario TEXT         begins a scenario, with no member and no purchase yet.
//
// A record is a line that begins with its date. Records arrive in the order of
// the lines, whatever their dates:
//
//	WHEN  ACCOUNT  EVENT  PURCHASE  AMOUNT  [at MERCHANT]  [k=v ...]  [=> FATE]
//	WHEN  ACCOUNT  FACT  [SUBJECT]  [AMOUNT]  [k=v ...]  [=> FATE]
//	WHEN  ACCOUNT  accepted|settled|rejected  INSTRUCTION  [REASON]  [=> FATE]
//
// EVENT and FACT are the types of the wire, and k=v any field of it, such as
// channel=online or card_product=gold: a value is JSON where it can be read so,
// and text otherwise or in quotes. Short names: id (event_id or fact_id), card,
// cards=a,b, segments=a,b, sponsor (sponsor_account_id), original
// (original_transaction_id), purchased, at of a merchant, mcc and country (of it),
// billing=18.00EUR, items="bread 4.00 EUR, cheese 6.00 EUR, 1.00 EUR" (the last
// one has no category), recorded (the Kafka timestamp), times=N (N such records,
// each with an id of its own), and the word declined. What is not written: the
// merchant of the purchase's event before; the card "card", which enrolled links
// too; the only programme; ids in the order of the lines. The SUBJECT of a fact is
// the purchase that expired, the card, level, offer, segment, cycle or member.
//
// INSTRUCTION is i1 for the first that was given out in the scenario, i2 for the next.
//
//	settle CYCLE [programme=ID] [as_of=WHEN] [=> FATE]
//
// closes a cycle for all accounts that records have named above: 2026-02 is the month
// that begins on the cycle's day of February, 2026-02-03 the day, or the week that
// begins on it. Cycles that are closed by hand, or at once, have any name, and as_of.
//
// What a purchase gives the buyer's sponsor reaches their account at once.
//
// A record must become part of the account's set (booked, no change, waiting)
// unless the line says another FATE: declined, no_member, unmatched, too_late,
// duplicate, or dead_letter [REASON [FIELD]].
//
// What must hold at a point of the file is a table, its columns set apart by two
// spaces at least:
//
//	expect [k=v ...]                sums of the ledger so far
//	expect instructions [k=v ...]   what the bank was told to pay
//	expect budgets [k=v ...]        what purchases have of each budget now
//	expect why [k=v ...]            each purchase's offers, in each world
//	expect nothing [k=v ...]        no such row at all (so too: instructions nothing, budgets nothing)
//
// The columns say by what lines are added up. All rows that are not 0 must be
// there, in any order, and no others; k=v narrows this to rows with that value.
package scenario
