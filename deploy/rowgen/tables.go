package main

import (
	"reflect"

	"ristourne/rules"
)

// table is a table of the ledger and the rows that it is given.
type table struct {
	row    reflect.Type
	name   string // in ClickHouse; empty: none
	plural string // the field of the decision that has them, and the name of the block
	given  []string
	// without are columns of the row that the table hasn't.
	without []string
	// digest are the columns of which a row's digest is, in their order. Markers hold
	// sums of them: what is digested can't be changed, only counted anew.
	digest []string
	month  string // field of the instant by which the table is partitioned; of those that are counted
	read   bool   // rows are read back one by one
	// key are the columns by which lines add up; empty: they don't. ofOneLine are those
	// that a sum of lines hasn't, beside the cause.
	key, ofOneLine []string
	// ofBooking are columns that may differ between two bookings of one row, and say
	// nothing of what it is worth.
	ofBooking []string
	// untold are fields that don't leave the house.
	untold []string
}

// given are columns whose value isn't a field of the row: it is the decision's d,
// the row's place in it, or follows from the row itself.
var given = map[string]struct{ form, value string }{
	"shard":       {"int32", "d.Shard"},
	"batch":       {"uint64", "d.Batch"},
	"seq":         {"uint64", "d.LastSeq"},
	"place":       {"int32", "int32(place)"},
	"version":     {"uint64", "accountVersion(row)"},
	"cause_topic": {"enum", "row.Cause.Kind.Topic()"},
	"engine":      {"string", "rules.EngineVersion"},
}

// tables are in the order of the decision's lists.
var tables = []table{
	{
		row: reflect.TypeFor[rules.AccountRow](), name: "accounts_log", plural: "Accounts",
		given: words("shard version"), read: true,
	},
	{
		row: reflect.TypeFor[rules.SetRow](), name: "set_log", plural: "Set",
		given:  words("shard batch"),
		digest: words("seq account_ref cause_kind cause_id cause_partition cause_offset recorded_ms fate payload"),
		month:  "Cause.RecordedAt", read: true,
	},
	{
		row: reflect.TypeFor[rules.ResultRow](), name: "results_log", plural: "Results",
		given: words("shard batch"), without: words("cause_kind"),
	},
	{
		row: reflect.TypeFor[rules.Accrual](), name: "accruals_log", plural: "Accruals",
		given: words("shard batch engine"),
		digest: words(`accrual_id account_ref beneficiary_ref role programme transaction_id partner_id store_id offer_id offer_version
			stage kind unit basis_minor reward_minor commission_minor cost_minor currency`),
		month: "PurchasedAt", read: true,
		key:       words(`programme account_ref transaction_id partner_id store_id offer_id offer_version beneficiary_ref role kind unit stage`),
		ofOneLine: words("accrual_id reasons"),
		ofBooking: words("cause_partition cause_offset recorded_ms"),
	},
	{
		row: reflect.TypeFor[rules.Instruction](), name: "instructions_log", plural: "Instructions",
		given:  words("shard batch cause_topic"),
		digest: words("instruction_id account_ref direction amount_minor currency programme cycle"),
		month:  "CreatedAt", read: true, untold: words("Cause"),
	},
	{
		row: reflect.TypeFor[rules.Referral](), name: "referrals_told_log", plural: "Referrals",
		given: words("shard batch"),
		digest: words(`fact_id account_ref transaction_id partner_id offer_id sponsor_account_id number
			confirmed_basis_minor confirmed_reward_minor expected_basis_minor expected_reward_minor`),
		month: "Cause.RecordedAt", read: true,
	},
	{
		row: reflect.TypeFor[rules.Grant](), name: "grants_log", plural: "Grants",
		given:  words("shard batch seq place"),
		digest: words("budget account_ref transaction_id unit target_minor granted_minor change_minor seq batch place"),
		month:  "Cause.RecordedAt", read: true,
	},
}
