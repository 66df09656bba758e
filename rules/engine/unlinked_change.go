package engine

import (
	"ristourne/rules"
)

// refundNote is a refund as it was before a record.
type refundNote struct {
	event  int32
	seen   bool // it still is a refund without a purchase of its own
	change rules.RefundChange
}

// noteRefunds notes how the account's unlinked refunds are, before a record.
func (e *Engine) noteRefunds(a *Account) {
	e.refundNotes = e.refundNotes[:0]
	if a.matched == 0 && !e.refundsWait(a) {
		return
	}
	m := &e.matcher
	m.reset(a)
	for i := range m.refunds {
		e.refundNotes = append(e.refundNotes, refundNote{event: m.refunds[i].event, change: a.refundNow(&m.refunds[i])})
	}
}

func (a *Account) refundNow(r *unlinkedRefund) rules.RefundChange {
	x := &a.events[r.event]
	now := rules.RefundChange{EventID: x.id, Is: rules.RefundWaiting, AmountMinor: x.amountMinor, Currency: x.currency}
	if x.matched {
		now.Is, now.MatchedTo = rules.RefundMatched, a.purchases[r.now].id
	}
	return now
}

// reportRefunds tells what the record has changed of them.
func (e *Engine) reportRefunds(a *Account, out *rules.Output) {
	if len(e.refundNotes) == 0 && a.matched == 0 && !e.refundsWait(a) {
		return
	}
	m := &e.matcher
	m.reset(a)
	clear(m.notes)
	for i := range e.refundNotes {
		m.notes[e.refundNotes[i].event] = int32(i)
	}
	for i := range m.refunds {
		now := a.refundNow(&m.refunds[i])
		if n, noted := m.notes[m.refunds[i].event]; noted {
			note := &e.refundNotes[n]
			note.seen, now.Was = true, note.change.Is
			if note.change.Is == now.Is && note.change.MatchedTo == now.MatchedTo {
				continue
			}
		}
		out.Refunds = append(out.Refunds, now)
	}
	for i := range e.refundNotes {
		note := &e.refundNotes[i]
		if note.seen {
			continue
		}
		gone := note.change
		gone.Was, gone.Is, gone.MatchedTo = gone.Is, rules.RefundLinked, ""
		if a.events[note.event].id == "" {
			gone.Is = rules.RefundDropped
		}
		out.Refunds = append(out.Refunds, gone)
	}
}
