package clickhouse

import (
	"github.com/ClickHouse/ch-go/proto"

	"ristourne/rules"
	"ristourne/rules/money"
)

// block is the rows of one table that go in one INSERT. Rows are appended value
// by value in the order in which newBlock was given the columns.
type block struct {
	table  string
	insert string // the statement, whole
	input  proto.Input
}

// rows is how many the block holds.
func (b *block) rows() int { return b.input[0].Data.Rows() }

// columns collects the columns of a block as they are declared.
type columns struct{ input proto.Input }

func (c *columns) add(name string, family proto.ColumnType) *column {
	col := &column{family: family, typ: family}
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

func (c *columns) int8(name string) *column   { return c.add(name, proto.ColumnTypeEnum8) }
func (c *columns) int32(name string) *column  { return c.add(name, proto.ColumnTypeInt32) }
func (c *columns) int64(name string) *column  { return c.add(name, proto.ColumnTypeInt64) }
func (c *columns) uint64(name string) *column { return c.add(name, proto.ColumnTypeUInt64) }
func (c *columns) time(name string) *column   { return c.add(name, proto.ColumnTypeDateTime64) }
func (c *columns) uuid(name string) *column   { return c.add(name, proto.ColumnTypeUUID) }
func (c *columns) id(name string) *column     { return c.add(name, proto.ColumnTypeFixedString) }
func (c *columns) text(name string) *column   { return c.add(name, proto.ColumnTypeString) }

func (c *columns) dict(name string) *dictColumn {
	col := &dictColumn{}
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

func (c *columns) words(name string) *wordsColumn {
	col := &wordsColumn{}
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

func (c *columns) array(name string, family proto.ColumnType) *arrayColumn {
	col := &arrayColumn{all: column{family: family, typ: family}}
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

func (c *columns) into(table string) block {
	c.input.Reset() // a dictionary counts its blocks from 1
	return block{table: table, insert: c.input.Into(table), input: c.input}
}

// exactInstant is an instant to the nanosecond; both parts 0: none.
type exactInstant struct{ sec, nsec *column }

func (c *columns) exactInstant(name string) exactInstant {
	return exactInstant{sec: c.int64(name + "_sec"), nsec: c.int32(name + "_nsec")}
}

func (i *exactInstant) append(v rules.Instant) {
	i.sec.appendInt64(v.Sec)
	i.nsec.appendInt32(v.Nsec)
}

// instant is an instant for dates and charts and, beside it, exactly.
type instant struct {
	at    *column
	exact exactInstant
}

func (c *columns) instant(at, exact string) instant {
	return instant{at: c.time(at), exact: c.exactInstant(exact)}
}

func (i *instant) append(v rules.Instant) {
	i.at.appendInt64(calendarMillis(v))
	i.exact.append(v)
}

// calendarMillis is the instant in milliseconds, held within the years over
// which every date function of ClickHouse is right.
func calendarMillis(v rules.Instant) int64 {
	switch {
	case v.Sec < 0:
		return 0
	case v.Sec > latestMillis/1000:
		return latestMillis
	default:
		return v.Sec*1000 + int64(v.Nsec)/1_000_000
	}
}

// cause is the record that made a row.
type cause struct {
	kind              *column // nil: the table's rows have one kind
	id                *column
	partition, offset *column
	recordedMillis    *column
}

func (c *columns) cause() cause {
	return cause{
		id:        c.text("cause_id"),
		partition: c.int32("cause_partition"), offset: c.int64("cause_offset"),
		recordedMillis: c.int64("recorded_ms"),
	}
}

func (c *columns) causeOfKind() cause {
	kind := c.int8("cause_kind")
	of := c.cause()
	of.kind = kind
	return of
}

func (c *cause) append(v *rules.Cause) {
	if c.kind != nil {
		c.kind.appendInt8(int8(v.Kind))
	}
	c.id.appendString(v.ID)
	c.partition.appendInt32(v.Partition)
	c.offset.appendInt64(v.Offset)
	c.recordedMillis.appendInt64(v.RecordedAt)
}

// appendCurrency makes no string of a code.
func appendCurrency(c *dictColumn, v money.Currency) {
	if v == (money.Currency{}) {
		c.append("")
		return
	}
	// A slice of three bytes on the stack, compared with the word before and
	// looked up without being kept.
	c.append(string(v[:]))
}

type accrualsBlock struct {
	block
	shard, batch                                        *column
	programme                                           *dictColumn
	accountRef, beneficiaryRef                          *column
	role                                                *column
	transactionID                                       *column
	partnerID, storeID, offerID, offerVersion           *dictColumn
	campaignIDs                                         *wordsColumn
	stage, kind                                         *column
	unit                                                *dictColumn
	basisMinor, rewardMinor, commissionMinor, costMinor *column
	currency                                            *dictColumn
	purchased                                           instant
	usable, expires                                     exactInstant
	cause                                               cause
	level                                               *dictColumn
	channel                                             *column
	mcc                                                 *dictColumn
	reasons                                             *wordsColumn
	engine                                              *dictColumn
	accrualID                                           *column
}

func newAccrualsBlock() *accrualsBlock {
	var c columns
	b := &accrualsBlock{
		shard: c.int32("shard"), batch: c.uint64("batch"), programme: c.dict("programme"),
		accountRef: c.uuid("account_ref"), beneficiaryRef: c.uuid("beneficiary_ref"), role: c.int8("role"),
		transactionID: c.text("transaction_id"),
		partnerID:     c.dict("partner_id"), storeID: c.dict("store_id"),
		offerID: c.dict("offer_id"), offerVersion: c.dict("offer_version"), campaignIDs: c.words("campaign_ids"),
		stage: c.int8("stage"), kind: c.int8("kind"), unit: c.dict("unit"),
		basisMinor: c.int64("basis_minor"), rewardMinor: c.int64("reward_minor"),
		commissionMinor: c.int64("commission_minor"), costMinor: c.int64("cost_minor"),
		currency:  c.dict("currency"),
		purchased: c.instant("purchased_at", "purchased"),
		usable:    c.exactInstant("usable"), expires: c.exactInstant("expires"),
		cause: c.causeOfKind(),
		level: c.dict("level"), channel: c.int8("channel"), mcc: c.dict("mcc"),
		reasons: c.words("reasons"), engine: c.dict("engine"), accrualID: c.id("accrual_id"),
	}
	b.block = c.into("accruals_log")
	return b
}

func (b *accrualsBlock) append(d *rules.Decision, a *rules.Accrual) {
	b.shard.appendInt32(d.Shard)
	b.batch.appendInt64(int64(d.Batch))
	b.programme.append(a.Programme)
	b.accountRef.appendUUID((*[16]byte)(&a.AccountRef))
	beneficiary := beneficiaryRef(a)
	b.beneficiaryRef.appendUUID((*[16]byte)(&beneficiary))
	b.role.appendInt8(int8(a.Role))
	b.transactionID.appendString(a.TransactionID)
	b.partnerID.append(a.PartnerID)
	b.storeID.append(a.StoreID)
	b.offerID.append(a.OfferID)
	b.offerVersion.append(a.OfferVersion)
	b.campaignIDs.append(a.CampaignIDs)
	b.stage.appendInt8(int8(a.Stage))
	b.kind.appendInt8(int8(a.Kind))
	b.unit.append(a.Unit)
	b.basisMinor.appendInt64(a.BasisMinor)
	b.rewardMinor.appendInt64(a.RewardMinor)
	b.commissionMinor.appendInt64(a.CommissionMinor)
	b.costMinor.appendInt64(a.CostMinor)
	appendCurrency(b.currency, a.Currency)
	b.purchased.append(a.PurchasedAt)
	b.usable.append(a.UsableFrom)
	b.expires.append(a.ExpiresAt)
	b.cause.append(&a.Cause)
	b.level.append(a.Level)
	b.channel.appendInt8(int8(a.Channel))
	b.mcc.append(a.MCC)
	b.reasons.append(a.Reasons)
	b.engine.append(rules.EngineVersion)
	b.accrualID.appendFixed((*[16]byte)(&a.ID))
}

// beneficiaryRef is the account whose money a line is; a partner has none.
func beneficiaryRef(a *rules.Accrual) rules.AccountRef {
	if a.Role == rules.RoleMember {
		return a.AccountRef
	}
	return a.BeneficiaryRef
}

type setBlock struct {
	block
	shard, batch, accountRef, seq *column
	cause                         cause
	fate                          *column
	typ                           *dictColumn
	transactionID, amountMinor    *column
	currency                      *dictColumn
	occurred                      instant
	merchantID                    *column
	mcc, partnerID, storeID       *dictColumn
	payload                       *column

	unlinkedEvents, unlinkedStates, unlinkedTo *wordsColumn
	holdouts, heldOut                          *wordsColumn
	scratch                                    [5][]string // of a row
}

func newSetBlock() *setBlock {
	var c columns
	b := &setBlock{
		shard: c.int32("shard"), batch: c.uint64("batch"), accountRef: c.uuid("account_ref"), seq: c.uint64("seq"),
		cause: c.causeOfKind(), fate: c.int8("fate"), typ: c.dict("type"),
		transactionID: c.text("transaction_id"), amountMinor: c.int64("amount_minor"), currency: c.dict("currency"),
		occurred:   c.instant("occurred_at", "occurred"),
		merchantID: c.text("merchant_id"),
		mcc:        c.dict("mcc"), partnerID: c.dict("partner_id"), storeID: c.dict("store_id"),
		payload:        c.text("payload"),
		unlinkedEvents: c.words("unlinked_events"), unlinkedStates: c.words("unlinked_states"), unlinkedTo: c.words("unlinked_to"),
		holdouts: c.words("holdouts"), heldOut: c.words("held_out"),
	}
	b.block = c.into("set_log")
	return b
}

func (b *setBlock) append(d *rules.Decision, r *rules.SetRow) {
	b.shard.appendInt32(d.Shard)
	b.batch.appendInt64(int64(d.Batch))
	b.accountRef.appendUUID((*[16]byte)(&r.AccountRef))
	b.seq.appendInt64(int64(r.Seq))
	b.cause.append(&r.Cause)
	b.fate.appendInt8(int8(r.Fate))
	b.typ.append(r.Type)
	b.transactionID.appendString(r.TransactionID)
	b.amountMinor.appendInt64(r.AmountMinor)
	appendCurrency(b.currency, r.Currency)
	b.occurred.append(r.OccurredAt)
	b.merchantID.appendString(r.MerchantID)
	b.mcc.append(r.MCC)
	b.partnerID.append(r.PartnerID)
	b.storeID.append(r.StoreID)
	b.payload.appendBytes(r.Payload)
	events, states, to := b.scratch[0][:0], b.scratch[1][:0], b.scratch[2][:0]
	for i := range r.Refunds {
		c := &r.Refunds[i]
		events, states, to = append(events, c.EventID), append(states, c.Is.String()), append(to, c.MatchedTo)
	}
	b.unlinkedEvents.append(events)
	b.unlinkedStates.append(states)
	b.unlinkedTo.append(to)
	under, held := b.scratch[3][:0], b.scratch[4][:0]
	for _, h := range r.Holdouts {
		if under = append(under, h.ID); h.Held {
			held = append(held, h.ID)
		}
	}
	b.holdouts.append(under)
	b.heldOut.append(held)
	b.scratch = [...][]string{events, states, to, under, held}
}

type instructionsBlock struct {
	block
	shard, batch                                      *column
	accountRef, instructionID, direction, amountMinor *column
	currency                                          *dictColumn
	statementText                                     *column
	programme, cycle, reason                          *dictColumn
	createdMillis, causeTopic                         *column
	cause                                             cause
}

func newInstructionsBlock() *instructionsBlock {
	var c columns
	b := &instructionsBlock{
		shard: c.int32("shard"), batch: c.uint64("batch"), accountRef: c.uuid("account_ref"), instructionID: c.text("instruction_id"),
		direction: c.int8("direction"), amountMinor: c.int64("amount_minor"), currency: c.dict("currency"),
		statementText: c.text("statement_text"),
		programme:     c.dict("programme"), cycle: c.dict("cycle"), reason: c.dict("reason"),
		createdMillis: c.int64("created_ms"), causeTopic: c.int8("cause_topic"), cause: c.causeOfKind(),
	}
	b.block = c.into("instructions_log")
	return b
}

func (b *instructionsBlock) append(d *rules.Decision, i *rules.Instruction) {
	b.shard.appendInt32(d.Shard)
	b.batch.appendInt64(int64(d.Batch))
	b.accountRef.appendUUID((*[16]byte)(&i.AccountRef))
	b.instructionID.appendString(i.ID)
	b.direction.appendInt8(int8(i.Direction))
	b.amountMinor.appendInt64(i.AmountMinor)
	appendCurrency(b.currency, i.Currency)
	b.statementText.appendString(i.StatementText)
	b.programme.append(i.Programme)
	b.cycle.append(i.Cycle)
	b.reason.append(i.Reason)
	b.createdMillis.appendInt64(i.CreatedAt)
	b.causeTopic.appendInt8(int8(i.Cause.Kind.Topic()))
	b.cause.append(&i.Cause)
}

type resultsBlock struct {
	block
	shard, batch, accountRef, instructionID, status, reason *column
	at                                                      instant
	cause                                                   cause
}

func newResultsBlock() *resultsBlock {
	var c columns
	b := &resultsBlock{
		shard: c.int32("shard"), batch: c.uint64("batch"), accountRef: c.uuid("account_ref"), instructionID: c.text("instruction_id"),
		status: c.int8("status"), reason: c.text("reason"),
		at:    c.instant("at", "at"),
		cause: c.cause(),
	}
	b.block = c.into("results_log")
	return b
}

func (b *resultsBlock) append(d *rules.Decision, r *rules.ResultRow) {
	b.shard.appendInt32(d.Shard)
	b.batch.appendInt64(int64(d.Batch))
	b.accountRef.appendUUID((*[16]byte)(&r.AccountRef))
	b.instructionID.appendString(r.Result.InstructionID)
	b.status.appendInt8(int8(r.Result.Status))
	b.reason.appendString(r.Result.Reason)
	b.at.append(r.Result.At)
	b.cause.append(&r.Cause)
}

type grantsBlock struct {
	block
	shard, budget, accountRef, transactionID *column
	unit                                     *dictColumn
	targetMinor, grantedMinor, changeMinor   *column
	seq, batch, place                        *column
	cause                                    cause
}

func newGrantsBlock() *grantsBlock {
	var c columns
	b := &grantsBlock{
		shard: c.int32("shard"), budget: c.text("budget"), accountRef: c.uuid("account_ref"),
		transactionID: c.text("transaction_id"), unit: c.dict("unit"),
		targetMinor: c.int64("target_minor"), grantedMinor: c.int64("granted_minor"), changeMinor: c.int64("change_minor"),
		seq: c.uint64("seq"), batch: c.uint64("batch"), place: c.int32("place"), cause: c.causeOfKind(),
	}
	b.block = c.into("grants_log")
	return b
}

// append adds the grant that stands at place in the decision.
func (b *grantsBlock) append(d *rules.Decision, place int) {
	g := &d.Grants[place]
	b.shard.appendInt32(d.Shard)
	b.budget.appendString(string(g.Budget))
	b.accountRef.appendUUID((*[16]byte)(&g.AccountRef))
	b.transactionID.appendString(g.TransactionID)
	b.unit.append(g.Unit)
	b.targetMinor.appendInt64(g.TargetMinor)
	b.grantedMinor.appendInt64(g.GrantedMinor)
	b.changeMinor.appendInt64(g.ChangeMinor)
	b.seq.appendInt64(int64(d.LastSeq))
	b.batch.appendInt64(int64(d.Batch))
	b.place.appendInt32(int32(place))
	b.cause.append(&g.Cause)
}

type referralsBlock struct {
	block
	shard, batch, accountRef, transactionID   *column
	partnerID, offerID                        *dictColumn
	sponsorAccountID, number, factID          *column
	storeID, offerVersion                     *dictColumn
	programme, currency                       *dictColumn
	purchased, at                             instant
	channel                                   *column
	mcc                                       *dictColumn
	confirmedBasisMinor, confirmedRewardMinor *column
	expectedBasisMinor, expectedRewardMinor   *column
	lateConfirmedMinor, lateExpectedMinor     *column
	matchedRefund                             *column
	cause                                     cause
}

func newReferralsBlock() *referralsBlock {
	var c columns
	b := &referralsBlock{
		shard: c.int32("shard"), batch: c.uint64("batch"), accountRef: c.uuid("account_ref"), transactionID: c.text("transaction_id"),
		partnerID: c.dict("partner_id"), offerID: c.dict("offer_id"),
		sponsorAccountID: c.text("sponsor_account_id"), number: c.int64("number"), factID: c.text("fact_id"),
		storeID: c.dict("store_id"), offerVersion: c.dict("offer_version"),
		programme: c.dict("programme"), currency: c.dict("currency"),
		purchased: c.instant("purchased_at", "purchased"), at: c.instant("at", "at"),
		channel: c.int8("channel"), mcc: c.dict("mcc"),
		confirmedBasisMinor: c.int64("confirmed_basis_minor"), confirmedRewardMinor: c.int64("confirmed_reward_minor"),
		expectedBasisMinor: c.int64("expected_basis_minor"), expectedRewardMinor: c.int64("expected_reward_minor"),
		lateConfirmedMinor: c.int64("late_confirmed_reward_minor"), lateExpectedMinor: c.int64("late_expected_reward_minor"),
		matchedRefund: c.add("matched_refund", proto.ColumnTypeUInt8),
		cause:         c.causeOfKind(),
	}
	b.block = c.into("referrals_told_log")
	return b
}

func (b *referralsBlock) append(d *rules.Decision, r *rules.Referral) {
	b.shard.appendInt32(d.Shard)
	b.batch.appendInt64(int64(d.Batch))
	b.accountRef.appendUUID((*[16]byte)(&r.BuyerRef))
	b.transactionID.appendString(r.TransactionID)
	b.partnerID.append(r.PartnerID)
	b.offerID.append(r.OfferID)
	b.sponsorAccountID.appendString(r.SponsorAccountID)
	b.number.appendInt64(r.Number)
	b.factID.appendString(r.ID)
	b.storeID.append(r.StoreID)
	b.offerVersion.append(r.OfferVersion)
	b.programme.append(r.Programme)
	appendCurrency(b.currency, r.Currency)
	b.purchased.append(r.PurchasedAt)
	b.at.append(r.At)
	b.channel.appendInt8(int8(r.Channel))
	b.mcc.append(r.MCC)
	b.confirmedBasisMinor.appendInt64(r.ConfirmedBasisMinor)
	b.confirmedRewardMinor.appendInt64(r.ConfirmedRewardMinor)
	b.expectedBasisMinor.appendInt64(r.ExpectedBasisMinor)
	b.expectedRewardMinor.appendInt64(r.ExpectedRewardMinor)
	b.lateConfirmedMinor.appendInt64(r.LateConfirmedRewardMinor)
	b.lateExpectedMinor.appendInt64(r.LateExpectedRewardMinor)
	matched := int8(0)
	if r.MatchedRefund {
		matched = 1
	}
	b.matchedRefund.appendInt8(matched)
	b.cause.append(&r.Cause)
}

type accountsBlock struct {
	block
	shard, accountRef, accountID, memberID, recordedMillis, version *column
}

func newAccountsBlock() *accountsBlock {
	var c columns
	b := &accountsBlock{
		shard: c.int32("shard"), accountRef: c.uuid("account_ref"), accountID: c.text("account_id"),
		memberID: c.text("member_id"), recordedMillis: c.int64("recorded_ms"), version: c.uint64("version"),
	}
	b.block = c.into("accounts_log")
	return b
}

func (b *accountsBlock) append(shard int32, r *rules.AccountRow) {
	b.shard.appendInt32(shard)
	b.accountRef.appendUUID((*[16]byte)(&r.Ref))
	b.accountID.appendString(r.AccountID)
	b.memberID.appendString(r.MemberID)
	b.recordedMillis.appendInt64(r.RecordedAt)
	b.version.appendInt64(int64(accountVersion(r)))
}

// accountVersion orders the rows of one reference: one with a member id stands
// over one without, then the later one.
func accountVersion(r *rules.AccountRow) uint64 {
	const stated = 1 << 63
	version := uint64(max(r.RecordedAt, 0))
	if r.MemberID != "" {
		version |= stated
	}
	return version
}

type markersBlock struct {
	block
	shard, batch        *column
	positions           [rules.NumTopics]*column
	lastSeq, counted    *column
	tallyTable          *wordsColumn
	tallyMonth          *arrayColumn
	tallyRows, tallySum *arrayColumn
}

// positionColumn is where a marker keeps the position in a topic.
func positionColumn(t rules.Topic) string { return t.String() + "_head" }

func newMarkersBlock() *markersBlock {
	var c columns
	b := &markersBlock{shard: c.int32("shard"), batch: c.uint64("batch"), lastSeq: c.uint64("last_seq")}
	for topic := range rules.NumTopics {
		b.positions[topic] = c.int64(positionColumn(topic))
	}
	b.counted = c.add("counted", proto.ColumnTypeUInt8)
	b.tallyTable = c.words("tally_table")
	b.tallyMonth = c.array("tally_month", proto.ColumnTypeUInt32)
	b.tallyRows = c.array("tally_rows", proto.ColumnTypeUInt64)
	b.tallySum = c.array("tally_sum", proto.ColumnTypeUInt256)
	b.block = c.into("markers_log")
	return b
}

func (b *markersBlock) append(m *mark) {
	b.shard.appendInt32(m.Shard)
	b.batch.appendInt64(int64(m.Batch))
	b.lastSeq.appendInt64(int64(m.LastSeq))
	for topic, position := range m.Positions {
		b.positions[topic].appendInt64(position)
	}
	if m.counted {
		b.counted.appendInt8(1)
	} else {
		b.counted.appendInt8(0)
	}
	var tables []string
	for _, key := range m.tally.sortedKeys() {
		of := m.tally[key]
		tables = append(tables, key.table)
		b.tallyMonth.all.appendInt32(int32(key.month))
		b.tallyRows.all.appendInt64(int64(of.rows))
		b.tallySum.all.appendWords(of.sum[:])
	}
	b.tallyTable.append(tables)
	b.tallyMonth.end()
	b.tallyRows.end()
	b.tallySum.end()
}

// blocks are the tables of one group of decisions.
type blocks struct {
	accounts     *accountsBlock
	set          *setBlock
	grants       *grantsBlock
	referrals    *referralsBlock
	accruals     *accrualsBlock
	instructions *instructionsBlock
	results      *resultsBlock
	markers      *markersBlock
}

func newBlocks() *blocks {
	return &blocks{
		accounts: newAccountsBlock(), set: newSetBlock(), grants: newGrantsBlock(),
		referrals: newReferralsBlock(), accruals: newAccrualsBlock(),
		instructions: newInstructionsBlock(), results: newResultsBlock(), markers: newMarkersBlock(),
	}
}

// inOrder are the blocks as they are inserted, but for the markers: those say
// that all before them is there, and come last. Behind the marker, the set's rows
// say what was decided, so they come before all that follows from them; and
// grants, from which lines follow and which nothing can work out again, before the
// lines.
func (b *blocks) inOrder() []*block {
	return []*block{
		&b.accounts.block, &b.set.block, &b.grants.block, &b.referrals.block, &b.accruals.block,
		&b.instructions.block, &b.results.block,
	}
}

func (b *blocks) reset() {
	for _, of := range append(b.inOrder(), &b.markers.block) {
		of.input.Reset()
	}
}

func (b *blocks) append(d *rules.Decision) {
	for i := range d.Accounts {
		b.accounts.append(d.Shard, &d.Accounts[i])
	}
	for i := range d.Set {
		b.set.append(d, &d.Set[i])
	}
	for i := range d.Grants {
		b.grants.append(d, i)
	}
	for i := range d.Referrals {
		b.referrals.append(d, &d.Referrals[i])
	}
	for i := range d.Accruals {
		b.accruals.append(d, &d.Accruals[i])
	}
	for i := range d.Instructions {
		b.instructions.append(d, &d.Instructions[i])
	}
	for i := range d.Results {
		b.results.append(d, &d.Results[i])
	}
}
