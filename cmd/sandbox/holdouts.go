package main

import (
	"context"
	"fmt"
	"slices"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// heldRow is what ClickHouse tells of the holdouts that the purchase of an event
// is under.
type heldRow struct {
	account, event string
	holdouts, held []string
}

// readHoldouts reads the view that the bank's analysts read.
func (s *sandbox) readHoldouts(ctx context.Context, b *books) error {
	conn, err := s.openClickHouse()
	if err != nil {
		return fmt.Errorf("read holdouts: %w", err)
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, `
		SELECT a.account_id, e.cause_id, e.holdouts, e.held_out
		FROM events AS e INNER JOIN accounts AS a ON a.account_ref = e.account_ref
		WHERE notEmpty(e.holdouts) ORDER BY ALL`)
	if err != nil {
		return fmt.Errorf("read holdouts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r heldRow
		if err := rows.Scan(&r.account, &r.event, &r.holdouts, &r.held); err != nil {
			return fmt.Errorf("read holdouts: %w", err)
		}
		b.held = append(b.held, r)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read holdouts: %w", err)
	}
	return nil
}

// readAgreedHoldouts notes what is agreed by id. A catalogue that changes one
// from version to version is beyond what is checked here.
func (b *books) readAgreedHoldouts(c *offer.Catalogue) {
	b.holdouts = map[string]offer.Holdout{}
	note := func(id string, h offer.Holdout) {
		if h.Salt == "" {
			h.Salt = id
		}
		if h.Millionths > 0 {
			b.holdouts[id] = h
		}
	}
	for i := range c.Programmes {
		p := &c.Programmes[i]
		note(p.ID, p.Holdout)
		for n := range p.Offers {
			note(offer.HoldoutID("", p.Offers[n].ID), p.Offers[n].Holdout)
		}
	}
	for i := range c.Partners {
		p := &c.Partners[i]
		for n := range p.Offers {
			note(offer.HoldoutID(p.ID, p.Offers[n].ID), p.Offers[n].Holdout)
		}
	}
	for i := range c.Campaigns {
		note(c.Campaigns[i].ID, c.Campaigns[i].Holdout)
	}
}

// checkHoldouts draws again, and looks for an award by an offer that the account
// is held out of.
func (b *books) checkHoldouts() finding {
	f := finding{what: "who is held out follows from salt and account, and gets nothing"}
	under, out := map[string]bool{}, map[string]bool{}
	for _, r := range b.held {
		for _, id := range r.holdouts {
			h, agreed := b.holdouts[id]
			held := agreed && engine.Draw(h.Salt, r.account) < h.Millionths
			if !agreed || held != slices.Contains(r.held, id) {
				f.differences = append(f.differences, fmt.Sprintf("event %s of account %s: %s holds out %v, and its draw is %d under %d",
					r.event, r.account, id, r.held, engine.Draw(h.Salt, r.account), h.Millionths))
			}
			under[r.account] = true
			out[r.account] = out[r.account] || held
		}
	}
	for k, sum := range b.booked {
		h, agreed := b.holdouts[offer.HoldoutID(k.PartnerID, k.OfferID)]
		if agreed && k.Role == rules.RoleMember && sum.RewardMinor != 0 && engine.Draw(h.Salt, k.AccountID) < h.Millionths {
			f.differences = append(f.differences, fmt.Sprintf("%s: it is held out and has %s", describeKey(k), describeSums(sum)))
		}
	}
	slices.Sort(f.differences)
	held := 0
	for _, is := range out {
		if is {
			held++
		}
	}
	f.detail = fmt.Sprintf("%s of %s accounts", grouped(int64(held)), grouped(int64(len(under))))
	return f
}
