package clickhouse

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"ristourne/rules"
)

// A tally says what the tables hold of a shard, month by month: how many rows,
// and the sum of their digests. A marker carries the tally of everything up to
// it, so rows that are gone, changed or come from elsewhere are noticed by
// whoever reads the tables back.
//
// The digest of a row is the SHA-256 of what a rebuild reads of it, and the sum
// is modulo 2^256: it is the same in any order, so the server sums it up in its
// own, and one row more is one addition.
type tally map[tallyKey]tallied

// tallyKey is a month of a table: one table partition.
type tallyKey struct {
	table string
	month uint32 // such as 202611
}

type tallied struct {
	rows uint64
	sum  digestSum
}

// digestSum is a number of 256 bits, the lowest first.
type digestSum [4]uint64

func (s *digestSum) add(o digestSum) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], o[i], carry)
	}
}

// parseSum reads 64 hexadecimal digits, the highest first.
func parseSum(text string) (s digestSum, err error) {
	var raw [32]byte
	if n, err := hex.Decode(raw[:], []byte(text)); err != nil || n != len(raw) {
		return s, fmt.Errorf("sum of digests %q: want 64 hexadecimal digits", text)
	}
	for i := range s {
		s[i] = binary.BigEndian.Uint64(raw[24-8*i:])
	}
	return s, nil
}

func (t tally) add(k tallyKey, of tallied) {
	have := t[k]
	have.rows += of.rows
	have.sum.add(of.sum)
	t[k] = have
}

func (t tally) addAll(o tally) {
	for k, of := range o {
		t.add(k, of)
	}
}

func (t tally) sortedKeys() []tallyKey {
	keys := make([]tallyKey, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b tallyKey) int { return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.month, b.month)) })
	return keys
}

// tallyTable is a table that is counted, and how the server digests its rows:
// text is what the digest is of. The functions below digest the same rows on
// their way there, field by field.
//
// What the bank said of instructions is not counted: nothing is restored from it,
// and a result that is read again, in other topics, replaces its row.
type tallyTable struct {
	name   string
	behind string // condition of rows that come after the marker: its parameters are $2, batch, and $3, last_seq
	fields []string
}

// What the server writes of a field. Every one ends by itself, so that two rows
// never give one text.
func sqlInt(column string) string  { return "toString(" + column + "), ';'" }
func sqlEnum(column string) string { return "toString(toInt8(" + column + ")), ';'" }
func sqlText(column string) string {
	return "toString(length(" + column + ")), ':', toString(" + column + ")"
}
func sqlUUID(column string) string  { return "toString(" + column + ")" }
func sqlFixed(column string) string { return "hex(" + column + ")" }

// behindBatch is of rows that know their batch.
const behindBatch = "batch > $2"

// setTable is the first of them. Its rows are marked by their number.
const setTable = "set_log"

var tallyTables = []tallyTable{
	{name: setTable, behind: "seq > $3", fields: []string{
		sqlInt("seq"), sqlUUID("account_ref"), sqlEnum("cause_kind"), sqlText("cause_id"), sqlInt("cause_partition"), sqlInt("cause_offset"),
		sqlInt("recorded_ms"), sqlEnum("fate"), sqlText("payload"),
	}},
	{name: "accruals_log", behind: behindBatch, fields: []string{
		sqlFixed("accrual_id"), sqlUUID("account_ref"), sqlUUID("beneficiary_ref"), sqlEnum("role"), sqlText("programme"), sqlText("transaction_id"),
		sqlText("partner_id"), sqlText("store_id"), sqlText("offer_id"), sqlText("offer_version"), sqlEnum("stage"), sqlEnum("kind"), sqlText("unit"),
		sqlInt("basis_minor"), sqlInt("reward_minor"), sqlInt("commission_minor"), sqlInt("cost_minor"), sqlText("currency"),
	}},
	{name: "instructions_log", behind: behindBatch, fields: []string{
		sqlText("instruction_id"), sqlUUID("account_ref"), sqlEnum("direction"), sqlInt("amount_minor"), sqlText("currency"),
		sqlText("programme"), sqlText("cycle"),
	}},
	{name: "grants_log", behind: behindBatch, fields: []string{
		sqlText("budget"), sqlUUID("account_ref"), sqlText("transaction_id"), sqlText("unit"),
		sqlInt("target_minor"), sqlInt("granted_minor"), sqlInt("change_minor"), sqlInt("seq"), sqlInt("batch"), sqlInt("place"),
	}},
	{name: "referrals_told_log", behind: behindBatch, fields: []string{
		sqlText("fact_id"), sqlUUID("account_ref"), sqlText("transaction_id"), sqlText("partner_id"), sqlText("offer_id"), sqlText("sponsor_account_id"),
		sqlInt("number"), sqlInt("confirmed_basis_minor"), sqlInt("confirmed_reward_minor"), sqlInt("expected_basis_minor"), sqlInt("expected_reward_minor"),
	}},
}

// digest is the expression that gives a row's.
func (t *tallyTable) digest() string { return "SHA256(concat(" + strings.Join(t.fields, ", ") + "))" }

// digester digests rows on their way to the server.
type digester struct {
	text      []byte
	month     uint32 // of fromMilli up to untilMilli
	fromMilli int64
	until     int64
}

func (d *digester) int(v int64) {
	d.text = append(strconv.AppendInt(d.text, v, 10), ';')
}

func (d *digester) uint(v uint64) {
	d.text = append(strconv.AppendUint(d.text, v, 10), ';')
}

func (d *digester) str(s string) {
	d.text = append(strconv.AppendInt(d.text, int64(len(s)), 10), ':')
	d.text = append(d.text, s...)
}

func (d *digester) bytes(b []byte) {
	d.text = append(strconv.AppendInt(d.text, int64(len(b)), 10), ':')
	d.text = append(d.text, b...)
}

// ref writes a reference as the server writes a UUID.
func (d *digester) ref(r rules.AccountRef) {
	for i, part := range [][]byte{r[:4], r[4:6], r[6:8], r[8:10], r[10:]} {
		if i > 0 {
			d.text = append(d.text, '-')
		}
		d.text = hex.AppendEncode(d.text, part)
	}
}

// fixed writes an id as the server's hex does.
func (d *digester) fixed(id [16]byte) {
	const digits = "0123456789ABCDEF"
	for _, b := range id {
		d.text = append(d.text, digits[b>>4], digits[b&15])
	}
}

func (d *digester) currency(c [3]byte) {
	if c == [3]byte{} {
		d.str("")
		return
	}
	d.bytes(c[:])
}

// end takes the row into the tally, and begins the next.
func (d *digester) end(t tally, table string, milli int64) {
	raw := sha256.Sum256(d.text)
	of := tallied{rows: 1}
	for i := range of.sum {
		// The server reads the 32 bytes as a number with the lowest first.
		of.sum[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	t.add(tallyKey{table, d.monthOf(milli)}, of)
	d.text = d.text[:0]
}

// monthOf is the table partition of an instant in milliseconds.
func (d *digester) monthOf(milli int64) uint32 {
	milli = max(0, min(milli, latestMillis))
	if milli < d.fromMilli || milli >= d.until || d.month == 0 {
		at := time.UnixMilli(milli).UTC()
		first := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
		d.month = uint32(at.Year()*100 + int(at.Month()))
		d.fromMilli, d.until = first.UnixMilli(), first.AddDate(0, 1, 0).UnixMilli()
	}
	return d.month
}

// tally adds what the decision's rows are.
func (d *digester) tally(t tally, of *rules.Decision) {
	for i := range of.Set {
		d.set(t, &of.Set[i])
	}
	for i := range of.Accruals {
		d.accrual(t, &of.Accruals[i])
	}
	for i := range of.Instructions {
		d.instruction(t, &of.Instructions[i])
	}
	for i := range of.Grants {
		d.grant(t, of, i)
	}
	for i := range of.Referrals {
		d.referral(t, &of.Referrals[i])
	}
}

func (d *digester) set(t tally, r *rules.SetRow) {
	d.uint(r.Seq)
	d.ref(r.AccountRef)
	d.int(int64(r.Cause.Kind))
	d.str(r.Cause.ID)
	d.int(int64(r.Cause.Partition))
	d.int(r.Cause.Offset)
	d.int(r.Cause.RecordedAt)
	d.int(int64(r.Fate))
	d.bytes(r.Payload)
	d.end(t, "set_log", r.Cause.RecordedAt)
}

func (d *digester) accrual(t tally, a *rules.Accrual) {
	d.fixed(a.ID)
	d.ref(a.AccountRef)
	d.ref(beneficiaryRef(a))
	d.int(int64(a.Role))
	d.str(a.Programme)
	d.str(a.TransactionID)
	d.str(a.PartnerID)
	d.str(a.StoreID)
	d.str(a.OfferID)
	d.str(a.OfferVersion)
	d.int(int64(a.Stage))
	d.int(int64(a.Kind))
	d.str(a.Unit)
	d.int(a.BasisMinor)
	d.int(a.RewardMinor)
	d.int(a.CommissionMinor)
	d.int(a.CostMinor)
	d.currency(a.Currency)
	d.end(t, "accruals_log", calendarMillis(a.PurchasedAt))
}

func (d *digester) instruction(t tally, n *rules.Instruction) {
	d.str(n.ID)
	d.ref(n.AccountRef)
	d.int(int64(n.Direction))
	d.int(n.AmountMinor)
	d.currency(n.Currency)
	d.str(n.Programme)
	d.str(n.Cycle)
	d.end(t, "instructions_log", n.CreatedAt)
}

func (d *digester) grant(t tally, of *rules.Decision, place int) {
	g := &of.Grants[place]
	d.str(string(g.Budget))
	d.ref(g.AccountRef)
	d.str(g.TransactionID)
	d.str(g.Unit)
	d.int(g.TargetMinor)
	d.int(g.GrantedMinor)
	d.int(g.ChangeMinor)
	d.uint(of.LastSeq)
	d.uint(of.Batch)
	d.int(int64(place))
	d.end(t, "grants_log", g.Cause.RecordedAt)
}

func (d *digester) referral(t tally, r *rules.Referral) {
	d.str(r.ID)
	d.ref(r.BuyerRef)
	d.str(r.TransactionID)
	d.str(r.PartnerID)
	d.str(r.OfferID)
	d.str(r.SponsorAccountID)
	d.int(r.Number)
	d.int(r.ConfirmedBasisMinor)
	d.int(r.ConfirmedRewardMinor)
	d.int(r.ExpectedBasisMinor)
	d.int(r.ExpectedRewardMinor)
	d.end(t, "referrals_told_log", r.Cause.RecordedAt)
}
