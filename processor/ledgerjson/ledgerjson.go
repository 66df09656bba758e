// Package ledgerjson is the ledger in JSON, as it leaves Ristourne: the names of
// its fields are an interface.
package ledgerjson

import (
	"encoding/hex"
	"time"

	"ristourne/rules"
)

// Accrual is a ledger line.
type Accrual struct {
	AccrualID       string   `json:"accrual_id"`
	Programme       string   `json:"programme"`
	AccountID       string   `json:"account_id"`
	MemberID        string   `json:"member_id"`
	BeneficiaryID   string   `json:"beneficiary_id"`
	Role            string   `json:"role"`
	TransactionID   string   `json:"transaction_id"`
	PartnerID       string   `json:"partner_id"`
	StoreID         string   `json:"store_id"`
	OfferID         string   `json:"offer_id"`
	OfferVersion    string   `json:"offer_version"`
	CampaignIDs     []string `json:"campaign_ids"`
	Stage           string   `json:"stage"`
	Kind            string   `json:"kind"`
	Unit            string   `json:"unit"`
	BasisMinor      int64    `json:"basis_minor"`
	RewardMinor     int64    `json:"reward_minor"`
	CommissionMinor int64    `json:"commission_minor"`
	CostMinor       int64    `json:"cost_minor"`
	Currency        string   `json:"currency"`
	PurchasedAt     string   `json:"purchased_at"`
	UsableFrom      string   `json:"usable_from,omitempty"` // of a wallet alone
	ExpiresAt       string   `json:"expires_at,omitempty"`  // of a wallet whose money does
	RecordedAt      string   `json:"recorded_at"`
	CauseKind       string   `json:"cause_kind"`
	CauseID         string   `json:"cause_id"`
	CausePartition  int32    `json:"cause_partition"`
	CauseOffset     int64    `json:"cause_offset"`
	Level           string   `json:"level"`
	Channel         string   `json:"channel"`
	MCC             string   `json:"mcc"`
	Reasons         []string `json:"reasons"`
	Engine          string   `json:"engine"`
}

// Of is a line in JSON's terms.
func Of(a *rules.Accrual) Accrual {
	return Accrual{
		AccrualID: hex.EncodeToString(a.ID[:]), Programme: a.Programme, AccountID: a.AccountID, MemberID: a.MemberID,
		BeneficiaryID: a.BeneficiaryID, Role: a.Role.String(), TransactionID: a.TransactionID,
		PartnerID: a.PartnerID, StoreID: a.StoreID, OfferID: a.OfferID, OfferVersion: a.OfferVersion,
		CampaignIDs: orEmpty(a.CampaignIDs), Stage: a.Stage.String(), Kind: a.Kind.String(), Unit: a.Unit,
		BasisMinor: a.BasisMinor, RewardMinor: a.RewardMinor, CommissionMinor: a.CommissionMinor, CostMinor: a.CostMinor,
		Currency: a.Currency.String(), PurchasedAt: a.PurchasedAt.String(),
		UsableFrom: stated(a.UsableFrom), ExpiresAt: stated(a.ExpiresAt),
		RecordedAt: time.UnixMilli(a.Cause.RecordedAt).UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		CauseKind:  a.Cause.Kind.String(), CauseID: a.Cause.ID, CausePartition: a.Cause.Partition, CauseOffset: a.Cause.Offset,
		Level: a.Level, Channel: a.Channel.String(), MCC: a.MCC, Reasons: orEmpty(a.Reasons), Engine: rules.EngineVersion,
	}
}

// stated is empty for the zero instant, which stands for none.
func stated(t rules.Instant) string {
	if t == (rules.Instant{}) {
		return ""
	}
	return t.String()
}

// orEmpty makes an absent list [] rather than null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
