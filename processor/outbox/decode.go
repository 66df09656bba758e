package outbox

import (
	"encoding/binary"
	"math"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Fewest bytes of a row: a count that claims more rows than the rest of the
// blob has room for is refused before memory is taken for them.
const (
	minAccount     = 4
	minSetRow      = 23
	minRefund      = 6
	minHoldout     = 2
	minResult      = 12
	minAccrual     = 52
	minInstruction = 18
	minReferral    = 29
	minGrant       = 13
)

// decoder reads a blob. The first thing that can't be read sets failed, from
// then on every read gives zeros.
type decoder struct {
	src    []byte
	text   string // the same as src: what the strings of the decision point into
	at     int
	failed bool
	last   recent
	places []string
	lists  []string // what the lists of the rows point into
}

func (r *decoder) fail() { r.failed = true }

func (r *decoder) take(n int) int {
	if r.failed || n > len(r.src)-r.at {
		r.fail()
		return -1
	}
	from := r.at
	r.at += n
	return from
}

func (r *decoder) uint() uint64 {
	if r.failed {
		return 0
	}
	v, n := binary.Uvarint(r.src[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

func (r *decoder) int() int64 {
	v := r.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *decoder) int32() int32 {
	v := r.int()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.fail()
		return 0
	}
	return int32(v)
}

func (r *decoder) byte() byte {
	from := r.take(1)
	if from < 0 {
		return 0
	}
	return r.src[from]
}

// enum reads a byte that names one of the values up to and with most. Others
// would have no name, and a panic where it is asked for.
func (r *decoder) enum(most byte) byte {
	b := r.byte()
	if b > most {
		r.fail()
		return 0
	}
	return b
}

func (r *decoder) near(last *int64) int64 {
	*last += r.int()
	return *last
}

// count reads how many elements follow, of which each takes minBytes or more.
func (r *decoder) count(minBytes int) int {
	n := r.uint()
	if n > uint64((len(r.src)-r.at)/minBytes) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *decoder) string() string {
	n := r.count(1)
	from := r.take(n)
	if from < 0 {
		return ""
	}
	return r.text[from:r.at]
}

func (r *decoder) bytes() []byte {
	n := r.count(1)
	from := r.take(n)
	if from < 0 || n == 0 {
		return nil
	}
	return r.src[from:r.at:r.at]
}

func (r *decoder) word() string {
	switch place := r.uint(); {
	case place == 0:
		s := r.string()
		r.places = append(r.places, s)
		return s
	case place == 1:
		return ""
	case place-2 < uint64(len(r.places)):
		return r.places[place-2]
	default:
		r.fail()
		return ""
	}
}

func (r *decoder) words() []string {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	from := len(r.lists)
	for range n {
		r.lists = append(r.lists, r.word())
	}
	return r.lists[from:len(r.lists):len(r.lists)]
}

func (r *decoder) ref() rules.AccountRef {
	if again := r.enum(1) == 1; !again {
		if from := r.take(len(r.last.ref)); from >= 0 {
			copy(r.last.ref[:], r.src[from:])
		}
	}
	return r.last.ref
}

func (r *decoder) currency() (c money.Currency) {
	if from := r.take(len(c)); from >= 0 {
		copy(c[:], r.src[from:])
	}
	return c
}

func (r *decoder) instant() rules.Instant {
	return rules.Instant{Sec: r.near(&r.last.sec), Nsec: r.int32()}
}

func (r *decoder) rareInstant() rules.Instant {
	if none := r.enum(1) == 0; none {
		return rules.Instant{}
	}
	return r.instant()
}

func (r *decoder) beneficiary(account rules.AccountRef) (ref rules.AccountRef) {
	switch r.enum(otherAccount) {
	case accountItself:
		return account
	case otherAccount:
		if from := r.take(len(ref)); from >= 0 {
			copy(ref[:], r.src[from:])
		}
	}
	return ref
}

func (r *decoder) cause() rules.Cause {
	return rules.Cause{
		Kind:       rules.CauseKind(r.enum(byte(rules.CauseReferral))),
		ID:         r.word(),
		Partition:  r.int32(),
		Offset:     r.near(&r.last.offset),
		RecordedAt: r.near(&r.last.recordedAt),
	}
}

func (r *decoder) decision(d *rules.Decision) {
	d.Shard = r.int32()
	d.Batch = r.uint()
	for i := range d.Positions {
		d.Positions[i] = r.int()
	}
	d.LastSeq = r.uint()
	d.Accounts = rows(r, d.Accounts, minAccount, r.account)
	d.Set = rows(r, d.Set, minSetRow, r.setRow)
	d.Results = rows(r, d.Results, minResult, r.result)
	d.Accruals = rows(r, d.Accruals, minAccrual, r.accrual)
	d.Instructions = rows(r, d.Instructions, minInstruction, r.instruction)
	d.Referrals = rows(r, d.Referrals, minReferral, r.referral)
	d.Grants = rows(r, d.Grants, minGrant, r.grant)
}

// rows reads a count and as many rows over what dst held.
func rows[T any](r *decoder, dst []T, minBytes int, read func(*T)) []T {
	n := r.count(minBytes)
	if cap(dst) < n {
		dst = make([]T, n)
	}
	dst = dst[:n]
	for i := range dst {
		read(&dst[i])
	}
	return dst
}

// In what follows, Go evaluates the calls of a literal in their order, which
// is the order of Encode.

func (r *decoder) account(a *rules.AccountRow) {
	*a = rules.AccountRow{
		Ref:        r.ref(),
		AccountID:  r.word(),
		MemberID:   r.word(),
		RecordedAt: r.near(&r.last.recordedAt),
	}
}

func (r *decoder) setRow(s *rules.SetRow) {
	*s = rules.SetRow{
		Seq:           uint64(r.near(&r.last.seq)),
		AccountRef:    r.ref(),
		Cause:         r.cause(),
		Fate:          rules.Fate(r.enum(byte(rules.NumFates - 1))),
		Type:          r.word(),
		TransactionID: r.word(),
		AmountMinor:   r.int(),
		Currency:      r.currency(),
		OccurredAt:    r.instant(),
		MerchantID:    r.word(),
		MCC:           r.word(),
		PartnerID:     r.word(),
		StoreID:       r.word(),
		Refunds:       rows(r, nil, minRefund, r.refund),
		Holdouts:      rows(r, nil, minHoldout, r.holdout),
		Payload:       r.bytes(),
	}
}

func (r *decoder) refund(c *rules.RefundChange) {
	*c = rules.RefundChange{
		EventID:     r.word(),
		Was:         rules.RefundState(r.enum(byte(rules.NumRefundStates - 1))),
		Is:          rules.RefundState(r.enum(byte(rules.NumRefundStates - 1))),
		MatchedTo:   r.word(),
		AmountMinor: r.int(),
		Currency:    r.currency(),
	}
}

func (r *decoder) holdout(d *rules.HoldoutDraw) {
	*d = rules.HoldoutDraw{ID: r.word(), Held: r.enum(1) == 1}
}

func (r *decoder) result(row *rules.ResultRow) {
	*row = rules.ResultRow{
		Result: rules.Result{
			InstructionID: r.string(),
			AccountID:     r.word(),
			Status:        rules.ResultStatus(r.enum(byte(rules.Rejected))),
			Reason:        r.word(),
			At:            r.instant(),
		},
		AccountRef: r.ref(),
		Cause:      r.cause(),
	}
}

func (r *decoder) accrual(a *rules.Accrual) {
	*a = rules.Accrual{
		ID:              r.accrualID(),
		Programme:       r.word(),
		AccountID:       r.word(),
		AccountRef:      r.ref(),
		MemberID:        r.word(),
		BeneficiaryID:   r.word(),
		BeneficiaryRef:  r.beneficiary(r.last.ref), // which AccountRef has just set
		Role:            rules.Role(r.enum(byte(rules.NumRoles - 1))),
		TransactionID:   r.word(),
		PartnerID:       r.word(),
		StoreID:         r.word(),
		OfferID:         r.word(),
		OfferVersion:    r.word(),
		CampaignIDs:     r.words(),
		Stage:           rules.Stage(r.enum(byte(rules.Confirmed))),
		Kind:            rules.Kind(r.enum(byte(rules.CommissionKind))),
		Unit:            r.word(),
		BasisMinor:      r.int(),
		RewardMinor:     r.int(),
		CommissionMinor: r.int(),
		CostMinor:       r.int(),
		Currency:        r.currency(),
		PurchasedAt:     r.instant(),
		UsableFrom:      r.rareInstant(),
		ExpiresAt:       r.rareInstant(),
		Cause:           r.cause(),
		Level:           r.word(),
		Channel:         rules.Channel(r.enum(byte(rules.OtherChannel))),
		MCC:             r.word(),
		Reasons:         r.words(),
	}
}

func (r *decoder) accrualID() (id rules.AccrualID) {
	if from := r.take(len(id)); from >= 0 {
		copy(id[:], r.src[from:])
	}
	return id
}

func (r *decoder) instruction(i *rules.Instruction) {
	*i = rules.Instruction{
		ID:            r.string(),
		Direction:     rules.Direction(r.enum(byte(rules.Debit))),
		AccountID:     r.word(),
		AccountRef:    r.ref(),
		AmountMinor:   r.int(),
		Currency:      r.currency(),
		StatementText: r.word(),
		Programme:     r.word(),
		Cycle:         r.word(),
		Reason:        r.word(),
		CreatedAt:     r.near(&r.last.recordedAt),
		Cause:         r.cause(),
	}
}

func (r *decoder) referral(f *rules.Referral) {
	var matched bool
	*f = rules.Referral{
		ID:                   r.string(),
		Number:               r.int(),
		SponsorAccountID:     r.word(),
		BuyerAccountID:       r.word(),
		BuyerRef:             r.ref(),
		TransactionID:        r.word(),
		PartnerID:            r.word(),
		StoreID:              r.word(),
		OfferID:              r.word(),
		OfferVersion:         r.word(),
		Programme:            r.word(),
		Currency:             r.currency(),
		PurchasedAt:          r.instant(),
		At:                   r.instant(),
		Channel:              r.referralChannel(&matched),
		MCC:                  r.word(),
		ConfirmedBasisMinor:  r.int(),
		ConfirmedRewardMinor: r.int(),
		ExpectedBasisMinor:   r.int(),
		ExpectedRewardMinor:  r.int(),

		LateConfirmedRewardMinor: r.int(),
		LateExpectedRewardMinor:  r.int(),

		Cause: r.cause(),
	}
	f.MatchedRefund = matched
}

// referralChannel reads a channel, and whether a refund is matched.
func (r *decoder) referralChannel(matched *bool) rules.Channel {
	b := r.byte()
	*matched = b&matchedRefund != 0
	if b &^= matchedRefund; b > byte(rules.OtherChannel) {
		r.fail()
		return 0
	}
	return rules.Channel(b)
}

func (r *decoder) grant(g *rules.Grant) {
	*g = rules.Grant{
		Budget:        rules.BudgetKey(r.word()),
		AccountID:     r.word(),
		AccountRef:    r.ref(),
		TransactionID: r.word(),
		Unit:          r.word(),
		TargetMinor:   r.int(),
		GrantedMinor:  r.int(),
		ChangeMinor:   r.int(),
		Cause:         r.cause(),
	}
}
