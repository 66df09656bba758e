package audit

import (
	"bytes"
	"fmt"
	"slices"

	"ristourne/processor/replay"
	"ristourne/processor/wire"
	"ristourne/rules"
)

// audited is one account: what is stored of it, up to where it is looked at.
type audited struct {
	*proving
	ref, id      string
	repaired     bool // the shard: what a repair books follows from no record
	apart        bool // differences are kept apart
	kept         []Difference
	set          []rules.SetRow
	places       places
	lines        []rules.Accrual
	instructions []rules.Instruction
	everGiven    map[string]bool // ids of instructions, those of later records included
	results      []rules.ResultRow
	grants       []rules.Grant
	told         []rules.Referral
}

// account looks at one account.
func (w *proving) account(marker *rules.Marker, h *rules.AccountHistory) {
	a := &audited{
		proving: w, ref: fmt.Sprintf("%x", h.Ref), id: h.AccountID, repaired: w.repairs[marker.Shard],
		places: newPlaces(len(h.Set)), everGiven: map[string]bool{},
	}
	for i := range h.Instructed {
		a.everGiven[h.Instructed[i].ID] = true
	}
	two := a.takeRecords(marker, h)
	a.takeRows(h)
	if len(h.Set) == 0 {
		if rows := len(h.Lines) + len(h.Instructed) + len(h.Grants) + len(h.Told); rows > 0 {
			a.add(Difference{Class: AccountUnknown, What: fmt.Sprintf("%d rows are of an account that has no record", rows)})
		}
	}
	w.compared.Accounts++
	w.compared.Records += int64(len(a.set))
	w.compared.Lines += int64(len(a.lines))
	w.compared.Instructions += int64(len(a.instructions))
	w.compared.Results += int64(len(a.results))
	w.compared.Grants += int64(len(a.grants))
	w.compared.Referrals += int64(len(a.told))
	balances := a.identities()
	switch {
	case h.AccountID == "" && len(h.Set) > 0:
		w.compared.Erased++
	case h.AccountID != "" && !two:
		a.recompute(balances)
	}
}

// takeRecords cuts the set off where it isn't booked yet, or later than is asked for.
// two: a place in it has two contents.
func (a *audited) takeRecords(marker *rules.Marker, h *rules.AccountHistory) (two bool) {
	latest, end := a.latest(), len(h.Set)
	for i := range h.Set {
		if row := &h.Set[i]; row.Seq > marker.LastSeq || row.Cause.RecordedAt > latest {
			end = i
			break
		}
	}
	a.set, a.places.end = h.Set[:end], end
	for i := range h.Set {
		a.places.add(&h.Set[i].Cause, i)
	}
	for i := 1; i < end; i++ {
		if row, before := &a.set[i], &a.set[i-1]; row.Seq == before.Seq {
			two = true
			a.add(Difference{
				Class: RecordTwice, CauseID: row.Cause.ID, TransactionID: row.TransactionID,
				What: fmt.Sprintf("place %d of the set holds %s %s, and %s %s of other content", row.Seq, before.Cause.Kind, before.Cause.ID, row.Cause.Kind, row.Cause.ID),
			})
		}
	}
	a.compared.InFlight += int64(len(h.Set) - end)
	return two
}

// places are where the records of an account stand in its set, by causes that name
// them. An id may stand there twice: a result's is that of an instruction and an
// instant, and a record that was dropped may come anew. Then its place in Kafka tells.
type places struct {
	end   int // records from it on are not looked at
	first map[replay.CauseKey]int
	exact map[position]int
}

// position is where a record stood in Kafka. Topics that were made anew begin to count
// anew.
type position struct {
	kind      rules.CauseKind
	partition int32
	offset    int64
	id        string
}

func positionOf(c *rules.Cause) position { return position{c.Kind, c.Partition, c.Offset, c.ID} }

func newPlaces(records int) places {
	return places{first: make(map[replay.CauseKey]int, records), exact: make(map[position]int, records)}
}

func (p *places) add(c *rules.Cause, place int) {
	if _, again := p.first[replay.KeyOf(c)]; !again {
		p.first[replay.KeyOf(c)] = place
	}
	p.exact[positionOf(c)] = place
}

// of is where the record stands that a row names as its cause.
func (p *places) of(c *rules.Cause) (place int, known bool) {
	if place, known = p.exact[positionOf(c)]; known {
		return place, true
	}
	place, known = p.first[replay.KeyOf(c)]
	return place, known
}

// has reports whether that record is there and looked at.
func (p *places) has(c *rules.Cause) bool {
	place, known := p.of(c)
	return known && place < p.end
}

// takeRows keeps the rows of the records that are looked at. A row of no record at
// all is a difference, and kept: sums count it.
func (a *audited) takeRows(h *rules.AccountHistory) {
	// cut reports that a row is of a record that isn't looked at.
	cut := func(c *rules.Cause) bool {
		place, known := a.places.of(c)
		return known && place >= a.places.end || !known && c.RecordedAt > a.latest()
	}
	lost := func(c *rules.Cause) bool { return !a.places.has(c) && len(h.Set) > 0 }
	a.lines = slices.DeleteFunc(h.Lines, func(l rules.Accrual) bool { return cut(&l.Cause) || !a.concerns(l.Programme) })
	a.instructions = slices.DeleteFunc(h.Instructed, func(i rules.Instruction) bool { return cut(&i.Cause) || !a.concerns(i.Programme) })
	a.results = slices.DeleteFunc(h.Results, func(r rules.ResultRow) bool { return r.Cause.RecordedAt > a.latest() })
	a.grants = slices.DeleteFunc(h.Grants, func(g rules.Grant) bool { return cut(&g.Cause) })
	a.told = slices.DeleteFunc(h.Told, func(r rules.Referral) bool { return cut(&r.Cause) })
	for i := range a.lines {
		if l := &a.lines[i]; lost(&l.Cause) {
			a.add(a.ofLine(LineWithoutRecord, l, "line %x, %s, follows from %s %q, which is none of the account's records", l.ID, lineText(l), l.Cause.Kind, l.Cause.ID))
		}
	}
	for i := range a.instructions {
		if x := &a.instructions[i]; lost(&x.Cause) && !a.putBack(&x.Cause) {
			a.add(a.ofInstruction(InstructionWithoutRecord, x, "instruction %s, %s, follows from %s %q, which is none of the account's records",
				x.ID, instructionText(x), x.Cause.Kind, x.Cause.ID))
		}
	}
	for i := range a.grants {
		if g := &a.grants[i]; lost(&g.Cause) {
			a.add(a.ofGrant(GrantUnknown, g, "budget %s gave purchase %s %s by %s %q, which is none of the account's records",
				g.Budget, g.TransactionID, inUnit(g.ChangeMinor, g.Unit), g.Cause.Kind, g.Cause.ID))
		}
	}
}

// putBack reports an instruction that a repair has found in its topic: by what it was
// given out isn't known any more.
func (a *audited) putBack(c *rules.Cause) bool { return c.ID == "" && c.Offset < 0 }

// add adds a difference of the account.
func (a *audited) add(d Difference) {
	d.AccountRef, d.AccountID = a.ref, a.id
	if a.apart {
		a.kept = append(a.kept, d)
		return
	}
	a.found.add(d)
}

// recompute works the account out anew from its records.
func (a *audited) recompute(plain map[balanceKey]*held) {
	decided, err := replay.Decide(a.engine, a.id, a.set, a.grants, a.checkRecord)
	if err != nil {
		a.add(Difference{Class: AccountUnreadable, What: err.Error()})
		return
	}
	// What a repair may have booked is none: then the account's sums tell.
	a.apart = a.repaired
	a.compareLines(decided.Out.Accruals)
	a.compareInstructions(decided.Out.Instructions)
	a.compareGrants(decided)
	a.compareReferrals(decided.Out.Referrals)
	a.compareBalances(decided, plain)
	if a.apart = false; len(a.kept) > 0 {
		a.compared.Repaired++
		a.compareSums(decided)
	}
}

// checkRecord holds a record against what its row says beside, and against the hash
// that it was given when it was taken.
func (a *audited) checkRecord(row *rules.SetRow, r rules.Record) {
	d := Difference{Class: RecordAltered, CauseID: row.Cause.ID, TransactionID: row.TransactionID}
	said := *row
	said.Describe(r)
	switch {
	case r.ID() != row.Cause.ID:
		d.What = fmt.Sprintf("the row of %s %q holds %q", row.Cause.Kind, row.Cause.ID, r.ID())
	case wire.IsAltered(r):
		d.What = fmt.Sprintf("%s %q says something else than when it was taken", row.Cause.Kind, row.Cause.ID)
	case said.Type != row.Type || said.TransactionID != row.TransactionID || said.AmountMinor != row.AmountMinor || said.Currency != row.Currency ||
		said.OccurredAt != row.OccurredAt || said.MerchantID != row.MerchantID || said.MCC != row.MCC:
		d.What = fmt.Sprintf("the columns of %s %q say %s of %d %s for %s, its content says %s of %d %s for %s", row.Cause.Kind, row.Cause.ID,
			row.Type, row.AmountMinor, row.Currency, row.TransactionID, said.Type, said.AmountMinor, said.Currency, said.TransactionID)
	default:
		return
	}
	a.add(d)
}

// compareLines holds lines against those that the records deserve, by their ids.
func (a *audited) compareLines(deserved []rules.Accrual) {
	booked := make(map[rules.AccrualID]*rules.Accrual, len(a.lines))
	for i := range a.lines {
		l := &a.lines[i]
		if booked[l.ID] != nil {
			a.add(a.ofLine(LineUnknown, l, "line %x stands twice, as %s and as %s", l.ID, lineText(booked[l.ID]), lineText(l)))
			continue
		}
		booked[l.ID] = l
	}
	for i := range deserved {
		d := &deserved[i]
		b := booked[d.ID]
		delete(booked, d.ID)
		switch {
		case !a.concerns(d.Programme) && b == nil:
		case b == nil:
			a.add(a.ofLine(LineMissing, d, "line %x is not there: %s %q deserves %s", d.ID, d.Cause.Kind, d.Cause.ID, lineText(d)))
		case !sameLine(b, d):
			class := LineAltered
			if d.Role == rules.RolePartner {
				class = CommissionAltered
			}
			a.add(a.ofLine(class, d, "line %x is %s, and %s %q deserves %s", d.ID, lineText(b), d.Cause.Kind, d.Cause.ID, lineText(d)))
		}
	}
	for i := range a.lines {
		l := &a.lines[i]
		if booked[l.ID] == l && a.places.has(&l.Cause) { // else it was told
			a.add(a.ofLine(LineUnknown, l, "line %x, %s, is there, and %s %q deserves none of that id", l.ID, lineText(l), l.Cause.Kind, l.Cause.ID))
		}
	}
}

// sameLine compares all that says whose money it is, what for and how much. Why it is
// so may be said otherwise by another version of the program.
func sameLine(x, y *rules.Accrual) bool {
	return x.Programme == y.Programme && x.Role == y.Role && x.TransactionID == y.TransactionID && x.PartnerID == y.PartnerID && x.StoreID == y.StoreID &&
		x.OfferID == y.OfferID && x.OfferVersion == y.OfferVersion && x.Stage == y.Stage && x.Kind == y.Kind && x.Unit == y.Unit &&
		x.BasisMinor == y.BasisMinor && x.RewardMinor == y.RewardMinor && x.CommissionMinor == y.CommissionMinor && x.CostMinor == y.CostMinor &&
		x.Currency == y.Currency && x.PurchasedAt == y.PurchasedAt && x.Cause.Kind == y.Cause.Kind && x.Cause.ID == y.Cause.ID
}

// compareInstructions holds instructions against what was due by each record, by
// their ids.
func (a *audited) compareInstructions(due []rules.Instruction) {
	given := make(map[string]*rules.Instruction, len(a.instructions))
	for i := range a.instructions {
		x := &a.instructions[i]
		if given[x.ID] != nil {
			a.add(a.ofInstruction(InstructionAltered, x, "instruction %s says %s and %s", x.ID, instructionText(given[x.ID]), instructionText(x)))
			continue
		}
		given[x.ID] = x
	}
	for i := range due {
		d := &due[i]
		g := given[d.ID]
		delete(given, d.ID)
		switch {
		case !a.concerns(d.Programme) && g == nil:
		case g == nil:
			a.add(a.ofInstruction(InstructionMissing, d, "instruction %s is not there: by %s %q %s was due", d.ID, d.Cause.Kind, d.Cause.ID, instructionText(d)))
		case g.Direction != d.Direction || g.AmountMinor != d.AmountMinor || g.Currency != d.Currency || g.Programme != d.Programme || g.Cycle != d.Cycle ||
			g.IsShadow() != d.IsShadow() || g.Cause.ID != d.Cause.ID || g.Cause.Kind != d.Cause.Kind:
			a.add(a.ofInstruction(InstructionAltered, d, "instruction %s is %s, and by %s %q %s was due", d.ID, instructionText(g), d.Cause.Kind, d.Cause.ID, instructionText(d)))
		}
	}
	for i := range a.instructions {
		x := &a.instructions[i]
		if given[x.ID] == x && a.places.has(&x.Cause) {
			a.add(a.ofInstruction(InstructionUnknown, x, "instruction %s, %s, is there, and by %s %q nothing of that id was due", x.ID, instructionText(x), x.Cause.Kind, x.Cause.ID))
		}
	}
}

// grantKey is what one record changed of what a purchase has of a budget.
type grantKey struct {
	cause       replay.CauseKey
	budget      rules.BudgetKey
	transaction string
}

func keyOfGrant(g *rules.Grant) grantKey {
	return grantKey{replay.KeyOf(&g.Cause), g.Budget, g.TransactionID}
}

// compareGrants holds what budgets gave against what was asked of them. How much each
// gave follows from who came first, over all accounts: it is taken as it was given, and
// held to what was asked, and to what the budget has.
func (a *audited) compareGrants(decided *replay.Decided) {
	for _, c := range decided.Ungiven {
		a.add(Difference{Class: GrantMissing, CauseID: c.ID, What: fmt.Sprintf("%s %q asks a budget, and nothing is kept of what it gave", c.Kind, c.ID)})
	}
	given := make(map[grantKey]*rules.Grant, len(a.grants))
	for i := range a.grants {
		given[keyOfGrant(&a.grants[i])] = &a.grants[i]
	}
	for i := range decided.Out.Grants {
		d := &decided.Out.Grants[i]
		g := given[keyOfGrant(d)]
		delete(given, keyOfGrant(d))
		ungiven := slices.ContainsFunc(decided.Ungiven, func(c rules.Cause) bool { return c.ID == d.Cause.ID && c.Kind == d.Cause.Kind })
		if g != nil && (g.TargetMinor != d.TargetMinor || g.GrantedMinor != d.GrantedMinor || g.ChangeMinor != d.ChangeMinor) && !ungiven {
			a.add(a.ofGrant(GrantAltered, g, "by %s %q budget %s changed what purchase %s has by %s to %s of %s, and should have by %s to %s of %s", g.Cause.Kind, g.Cause.ID,
				g.Budget, g.TransactionID, inUnit(g.ChangeMinor, g.Unit), inUnit(g.GrantedMinor, g.Unit), inUnit(g.TargetMinor, g.Unit),
				inUnit(d.ChangeMinor, d.Unit), inUnit(d.GrantedMinor, d.Unit), inUnit(d.TargetMinor, d.Unit)))
		}
		if g == nil && !ungiven {
			a.add(a.ofGrant(GrantMissing, d, "by %s %q budget %s gave purchase %s %s, and nothing is kept of it", d.Cause.Kind, d.Cause.ID, d.Budget, d.TransactionID, inUnit(d.ChangeMinor, d.Unit)))
		}
	}
	for i := range a.grants {
		g := &a.grants[i]
		if given[keyOfGrant(g)] == g && a.places.has(&g.Cause) {
			a.add(a.ofGrant(GrantUnknown, g, "budget %s gave purchase %s %s by %s %q, which asks nothing of it", g.Budget, g.TransactionID, inUnit(g.ChangeMinor, g.Unit), g.Cause.Kind, g.Cause.ID))
		}
	}
}

// compareReferrals holds what sponsors were told against what purchases give them.
func (a *audited) compareReferrals(due []rules.Referral) {
	told := make(map[string]*rules.Referral, len(a.told))
	for i := range a.told {
		told[a.told[i].ID] = &a.told[i]
	}
	for i := range due {
		d := &due[i]
		t := told[d.ID]
		delete(told, d.ID)
		if t == nil {
			a.add(a.ofReferral(ReferralMissing, d, "sponsor %s was not told by %s %q what purchase %s gives them: %s", d.SponsorAccountID, d.Cause.Kind, d.Cause.ID, d.TransactionID, referralText(d)))
		} else if !sameReferral(t, d) {
			a.add(a.ofReferral(ReferralAltered, d, "sponsor %s was told by %s %q that purchase %s gives them %s, and it gives %s",
				d.SponsorAccountID, d.Cause.Kind, d.Cause.ID, d.TransactionID, referralText(t), referralText(d)))
		}
	}
	for i := range a.told {
		t := &a.told[i]
		if told[t.ID] == t {
			a.add(a.ofReferral(ReferralUnknown, t, "sponsor %s was told by %s %q that purchase %s gives them %s, which doesn't follow", t.SponsorAccountID, t.Cause.Kind, t.Cause.ID, t.TransactionID, referralText(t)))
		}
	}
}

func sameReferral(x, y *rules.Referral) bool {
	return x.Number == y.Number && x.SponsorAccountID == y.SponsorAccountID && x.SameTarget(y) && x.Currency == y.Currency && x.Programme == y.Programme &&
		x.ConfirmedBasisMinor == y.ConfirmedBasisMinor && x.ConfirmedRewardMinor == y.ConfirmedRewardMinor &&
		x.ExpectedBasisMinor == y.ExpectedBasisMinor && x.ExpectedRewardMinor == y.ExpectedRewardMinor &&
		x.LateConfirmedRewardMinor == y.LateConfirmedRewardMinor && x.LateExpectedRewardMinor == y.LateExpectedRewardMinor
}

// compareSums is for accounts that a repair may have changed: what it has booked
// follows from no record, so that the lines are held against what is deserved in all.
// What was instructed is held to what is confirmed alone.
func (a *audited) compareSums(decided *replay.Decided) {
	account := decided.Account
	account.AdoptBooked(a.lines)
	account.AdoptGrants(newestGrants(a.grants))
	account.AdoptPublished(newestTold(a.told))
	cause := rules.Cause{Kind: rules.CauseFact, Offset: -1}
	if n := len(a.set); n > 0 {
		cause = a.set[n-1].Cause
	}
	out, _, err := replay.Changes(a.engine, account, a.instructions, cause)
	if err != nil {
		a.add(Difference{Class: AccountUnreadable, What: err.Error()})
		return
	}
	for i := range out.Accruals {
		if l := &out.Accruals[i]; a.concerns(l.Programme) {
			a.add(a.ofLine(SumDiffers, l, "the lines lack %s", lineText(l)))
		}
	}
}

func newestGrants(all []rules.Grant) (newest []rules.Grant) {
	places := map[grantKey]int{}
	for i := range all {
		key := keyOfGrant(&all[i])
		key.cause = replay.CauseKey{}
		if at, known := places[key]; known {
			newest[at] = all[i]
			continue
		}
		places[key] = len(newest)
		newest = append(newest, all[i])
	}
	return newest
}

func newestTold(all []rules.Referral) (newest []rules.Referral) {
	type target struct{ transaction, partner, offer, sponsor string }
	places := map[target]int{}
	for i := range all {
		t := target{all[i].TransactionID, all[i].PartnerID, all[i].OfferID, all[i].SponsorAccountID}
		if at, known := places[t]; known {
			newest[at] = all[i]
			continue
		}
		places[t] = len(newest)
		newest = append(newest, all[i])
	}
	return newest
}

func (a *audited) ofLine(c Class, l *rules.Accrual, format string, args ...any) Difference {
	return Difference{
		Class: c, AccrualID: fmt.Sprintf("%x", l.ID), CauseID: l.Cause.ID, TransactionID: l.TransactionID, PartnerID: l.PartnerID,
		What: fmt.Sprintf(format, args...),
	}
}

func (a *audited) ofInstruction(c Class, x *rules.Instruction, format string, args ...any) Difference {
	return Difference{Class: c, InstructionID: x.ID, CauseID: x.Cause.ID, What: fmt.Sprintf(format, args...)}
}

func (a *audited) ofGrant(c Class, g *rules.Grant, format string, args ...any) Difference {
	return Difference{Class: c, Budget: string(g.Budget), CauseID: g.Cause.ID, TransactionID: g.TransactionID, What: fmt.Sprintf(format, args...)}
}

func (a *audited) ofReferral(c Class, r *rules.Referral, format string, args ...any) Difference {
	return Difference{Class: c, CauseID: r.Cause.ID, TransactionID: r.TransactionID, PartnerID: r.PartnerID, What: fmt.Sprintf(format, args...)}
}

// lineText says what a line is worth, and by what.
func lineText(l *rules.Accrual) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s", l.Stage, l.Role)
	switch {
	case l.Role == rules.RolePartner:
		fmt.Fprintf(&b, " commission %s", inUnit(l.CommissionMinor, l.Currency.String()))
	default:
		fmt.Fprintf(&b, " %s %s", l.Kind, inUnit(l.RewardMinor, l.Unit))
	}
	if l.CostMinor != l.RewardMinor && l.Role != rules.RolePartner {
		fmt.Fprintf(&b, ", cost %s", inUnit(l.CostMinor, l.Currency.String()))
	}
	if l.BasisMinor != 0 {
		fmt.Fprintf(&b, ", basis %s", inUnit(l.BasisMinor, l.Currency.String()))
	}
	if l.PartnerID+l.OfferID != "" {
		fmt.Fprintf(&b, ", of %s/%s version %s", l.PartnerID, l.OfferID, l.OfferVersion)
	}
	if l.TransactionID != "" {
		fmt.Fprintf(&b, ", purchase %s", l.TransactionID)
	}
	return b.String()
}

func instructionText(x *rules.Instruction) string {
	text := fmt.Sprintf("a %s of %s by %s", x.Direction, inUnit(x.AmountMinor, x.Currency.String()), x.Programme)
	if x.Cycle != "" {
		text += ", cycle " + x.Cycle
	}
	if x.IsShadow() {
		text += ", in the shadow"
	}
	return text
}

func referralText(r *rules.Referral) string {
	return fmt.Sprintf("%s confirmed and %s expected", inUnit(r.ConfirmedRewardMinor, r.Currency.String()), inUnit(r.ExpectedRewardMinor, r.Currency.String()))
}
