package rules

import (
	"ristourne/rules/money"
)

// Fate is what became of one input record. Each record has exactly one; what
// is counted over all fates is what came in.
type Fate uint8

// The fates.
const (
	Booked Fate = iota + 1
	NoChange
	Waiting
	Duplicate
	Declined
	NoMember
	Unmatched
	TooLate
	DeadLettered
	NumFates // one more than the last: the size of an array over fates
)

var fateNames = [...]string{
	"", "booked", "no_change", "waiting", "duplicate", "declined", "no_member", "unmatched", "too_late", "dead_letter",
}

func (f Fate) String() string { return fateNames[f] }

// InSet reports whether a record of this fate is now part of the account's set
// of events and facts, from which its ledger follows.
func (f Fate) InSet() bool { return f == Booked || f == NoChange || f == Waiting }

// CauseKind is the kind of record that made a line.
type CauseKind uint8

// The kinds of a cause.
const (
	CauseEvent CauseKind = iota + 1
	CauseFact
	CauseResult
	// CauseReferral is a fact too; it stands on a topic of its own, so that its
	// offset counts there.
	CauseReferral
)

var causeKindNames = [...]string{"", "event", "fact", "result", "fact"}

func (k CauseKind) String() string { return causeKindNames[k] }

// Cause is the input record that made a line. Partition, offset and timestamp
// say where it stands in Kafka; they are no part of any id.
type Cause struct {
	Kind       CauseKind `row:"cause_kind"`
	ID         string    `row:"cause_id"` // event_id or fact_id
	Partition  int32     `row:"cause_partition"`
	Offset     int64     `row:"cause_offset,rising"`
	RecordedAt int64     `row:"recorded_at,millis"` // Kafka timestamp, milliseconds since 1970
}

// Role is in which part the beneficiary of a line takes part.
type Role uint8

// The roles.
const (
	RoleMember Role = iota + 1
	RoleSponsor
	RolePartner
	RoleExpiry // takes back from a member what was not spent in time
	NumRoles   // one more than the last
)

var roleNames = [...]string{"", "member", "sponsor", "partner", "expiry"}

func (r Role) String() string { return roleNames[r] }

// ParseRole reads the name of the wire.
func ParseRole(s string) (Role, bool) { return ParseName[Role](s, roleNames[:]) }

// Stage is how sure a line is.
type Stage uint8

// The stages: confirmed is what the cleared amounts earn, expected what the
// authorised ones would earn beyond it.
const (
	Expected Stage = iota + 1
	Confirmed
)

var stageNames = [...]string{"", "expected", "confirmed"}

func (s Stage) String() string { return stageNames[s] }

// ParseStage reads the name of the wire.
func ParseStage(s string) (Stage, bool) { return ParseName[Stage](s, stageNames[:]) }

// Kind is what a line is paid in.
type Kind uint8

// The kinds.
const (
	Cash Kind = iota + 1
	Points
	Wallet
	Voucher
	CommissionKind
)

var kindNames = [...]string{"", "cash", "points", "wallet", "voucher", "commission"}

func (k Kind) String() string { return kindNames[k] }

// ParseKind reads the name of the wire.
func ParseKind(s string) (Kind, bool) { return ParseName[Kind](s, kindNames[:]) }

// AccrualID is the truncated SHA-256 of a line's key and cause.
type AccrualID [16]byte

// AccountRef stands for an account wherever personal data must be able to go:
// the ledger keeps it when the map from it to account and member ids is
// deleted. It is derived from the account id under a secret of the bank.
type AccountRef [16]byte

// Accrual is one signed ledger line. Sums of lines are the balances; a line is
// never changed or deleted.
type Accrual struct {
	ID            AccrualID  `row:"accrual_id"`
	Programme     string     `row:"programme"`
	AccountID     string     `row:"account_id,personal"` // whose purchase it is
	AccountRef    AccountRef `row:"account_ref"`
	MemberID      string     `row:"member_id,personal"`
	BeneficiaryID string     `row:"beneficiary_id,personal"` // whose money it is: an account, or the partner for role partner
	// BeneficiaryRef is the beneficiary's reference, zero for role partner: with
	// whose account the line is kept and rebuilt.
	BeneficiaryRef  AccountRef     `row:"beneficiary_ref,beneficiary"`
	Role            Role           `row:"role"`
	TransactionID   string         `row:"transaction_id"`
	PartnerID       string         `row:"partner_id"`
	StoreID         string         `row:"store_id"`
	OfferID         string         `row:"offer_id"` // empty: an adjustment, or the partner's own terms
	OfferVersion    string         `row:"offer_version"`
	CampaignIDs     []string       `row:"campaign_ids"` // whose boosts are in the award
	Stage           Stage          `row:"stage"`
	Kind            Kind           `row:"kind"`
	Unit            string         `row:"unit"`        // currency code, or the points' code
	BasisMinor      int64          `row:"basis_minor"` // this award's basis; never to be summed over offers or beneficiaries
	RewardMinor     int64          `row:"reward_minor"`
	CommissionMinor int64          `row:"commission_minor"`
	CostMinor       int64          `row:"cost_minor"` // the reward in money
	Currency        money.Currency `row:"currency"`
	PurchasedAt     Instant        `row:"purchased_at"`
	UsableFrom      Instant        `row:"usable_from,rare"` // of Kind Wallet: when it can be spent; zero for other kinds
	ExpiresAt       Instant        `row:"expires_at,rare"`  // of Kind Wallet: from when it no longer can; zero: never
	Cause           Cause
	Level           string   `row:"level"`
	Channel         Channel  `row:"channel,optional"`
	MCC             string   `row:"mcc"`
	Reasons         []string `row:"reasons"` // why it is what it is: codes such as "cap:month", "margin", "refund"
}

// Direction is which way an instruction moves money.
type Direction uint8

// The directions.
const (
	Credit Direction = iota + 1
	Debit
)

var directionNames = [...]string{"", "credit", "debit"}

func (d Direction) String() string { return directionNames[d] }

// ParseDirection reads the name of the wire.
func ParseDirection(s string) (Direction, bool) { return ParseName[Direction](s, directionNames[:]) }

// Instruction tells the bank to pay a cardholder or to take money back. One id
// has one amount, for ever: the bank dedupes on it.
type Instruction struct {
	ID            string         `row:"instruction_id,unique"` // 1 to 35 of A-Z a-z 0-9 - : fits an ISO 20022 EndToEndId
	Direction     Direction      `row:"direction"`
	AccountID     string         `row:"account_id,personal"`
	AccountRef    AccountRef     `row:"account_ref"`
	AmountMinor   int64          `row:"amount_minor"` // over 0
	Currency      money.Currency `row:"currency"`
	StatementText string         `row:"statement_text"` // at most 140 characters
	Programme     string         `row:"programme"`
	Cycle         string         `row:"cycle"` // empty: at once
	Reason        string         `row:"reason"`
	Method        PayMethod      `row:"method,optional,since=6"`
	IBAN          string         `row:"-,since=6"`         // of a transfer
	Name          string         `row:"-,since=6"`         // who is paid, of a transfer or a cheque
	Handle        string         `row:"-,since=6"`         // of an e-wallet
	CreatedAt     int64          `row:"created_at,millis"` // Kafka timestamp of the cause, milliseconds since 1970
	Cause         Cause
}

// ShadowReason marks an instruction that never leaves the house: another system
// pays it.
const ShadowReason = "shadow"

// IsShadow reports that it must not be sent to the bank.
func (i *Instruction) IsShadow() bool { return i.Reason == ShadowReason }

// SignedMinor is the amount, under 0 for a debit.
func (i *Instruction) SignedMinor() int64 {
	if i.Direction == Debit {
		return -i.AmountMinor
	}
	return i.AmountMinor
}

// DeadLetter is a record that broke a rule. Key and value are those of the
// record unless they are withheld: a value that was not read whole, or either
// where it may hold a card number. Size and hash of the value always tell which
// it was.
type DeadLetter struct {
	Topic      string
	Partition  int32
	Offset     int64
	Timestamp  int64  // Kafka timestamp, milliseconds since 1970
	Reason     string // code, such as "json", "missing", "card_number", "conflict"
	Field      string // empty: the record as a whole
	Detail     string // what is wrong and what to do, for a person; holds no content of the record
	Key, Value []byte // nil: it had none, or it is withheld
	Size       int
	SHA256     [32]byte

	KeyWithheld, ValueWithheld bool
}

// Grant is what one purchase has of one budget after a decision. Grants are
// part of what an account's awards follow from: they are kept for ever.
type Grant struct {
	Budget        BudgetKey  `row:"budget"`
	AccountID     string     `row:"account_id,personal"`
	AccountRef    AccountRef `row:"account_ref"`
	TransactionID string     `row:"transaction_id"`
	Unit          string     `row:"unit"`
	TargetMinor   int64      `row:"target_minor"`  // what the purchase would have if budgets had no end
	GrantedMinor  int64      `row:"granted_minor"` // 0 to TargetMinor
	ChangeMinor   int64      `row:"change_minor"`  // what this decision raised it by; negative: gave back
	Cause         Cause
}

// BudgetKey names one budget over all members: the form in which it is kept,
// such as "campaign/black-friday", "offer/cafe-du-coin/everyday" or
// "day/cafe-du-coin/everyday/bastille/2026-11-27". The programme's own offers
// have "@PROGRAMME" for a partner, and stores their partner's name before theirs.
type BudgetKey string

// Output collects what applying records has decided. It is reused from batch
// to batch.
type Output struct {
	Accruals     []Accrual
	Instructions []Instruction
	Referrals    []Referral
	Grants       []Grant
	Refunds      []RefundChange // of refunds that name no purchase that is known
	Holdouts     []HoldoutDraw  // that the purchase of an event is under
}

// Reset empties o and keeps its memory.
func (o *Output) Reset() {
	o.Accruals = o.Accruals[:0]
	o.Instructions = o.Instructions[:0]
	o.Referrals = o.Referrals[:0]
	o.Grants = o.Grants[:0]
	o.Refunds = o.Refunds[:0]
	o.Holdouts = o.Holdouts[:0]
}

// RefundChange is what a record has changed of one such refund.
type RefundChange struct {
	EventID     string         `row:"unlinked_events"`
	Was         RefundState    `row:"-"`
	Is          RefundState    `row:"unlinked_states"`
	MatchedTo   string         `row:"unlinked_to"` // the purchase, while matched
	AmountMinor int64          `row:"-"`
	Currency    money.Currency `row:"-"`
}

// HoldoutDraw is one holdout that a purchase is under, and whether its account
// is held out by it.
type HoldoutDraw struct {
	ID   string `row:"holdouts"` // "partner/offer", "programme/offer", or that of the campaign or programme
	Held bool   `row:"held_out,of=ID"`
}

// RefundState is what has become of a refund at a partner's store that names no
// purchase that is known.
type RefundState uint8

// The states. Their names are kept in ClickHouse: rename none.
const (
	RefundNew     RefundState = iota // not seen before
	RefundWaiting                    // matched to no purchase
	RefundMatched                    // to a purchase that isn't its own
	RefundLinked                     // its own purchase is known
	RefundDropped                    // waited too long, or was one too many
	NumRefundStates
)

var refundStateNames = [...]string{"new", "waiting", "matched", "linked", "dropped"}

func (s RefundState) String() string { return refundStateNames[s] }

// EngineVersion names the meaning of the rules. Lines carry it; a change of
// meaning applies to purchases from a date on.
const EngineVersion = "1"
