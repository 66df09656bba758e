package clickhouse

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"ristourne/rules"
)

// CommissionBooked sums a programme's confirmed commission by partner, currency and
// span: span n is [bounds[n], bounds[n+1]), in milliseconds since 1970, of the
// time of booking (recorded_at); -1 is what was booked before. What was booked at
// the last bound or after it is left out.
func (l *Ledger) CommissionBooked(ctx context.Context, programme string, bounds []int64) ([]rules.CommissionSum, error) {
	if len(bounds) == 0 {
		return nil, errors.New("sum commission: no bounds are given")
	}
	return query(asked(ctx), l, "what partners owe", func(rows driver.Rows, s *rules.CommissionSum) error {
		var span int64
		err := rows.Scan(&s.PartnerID, (*currencyCode)(&s.Currency), &span, &s.CommissionMinor)
		s.Span = int(span)
		return err
	}, `
		SELECT partner_id, currency, toInt64(arrayCount(bound -> bound <= toUnixTimestamp64Milli(recorded_at), $2)) - 1 AS span, sum(commission_minor)
		FROM ledger
		WHERE programme = $1 AND role = 'partner' AND stage = 'confirmed' AND recorded_at < fromUnixTimestamp64Milli($3)
		GROUP BY partner_id, currency, span ORDER BY partner_id, currency, span`,
		programme, bounds, bounds[len(bounds)-1])
}

// SalesBooked sums the purchases of a programme's partners, by partner and currency, of
// which something was booked in [from, until), in milliseconds since 1970.
// What a purchase comes to is what the partner's own terms are worked out on; where
// they ask for nothing, what the offer is that gave something.
func (l *Ledger) SalesBooked(ctx context.Context, programme string, from, until int64) ([]rules.SalesSum, error) {
	sums := func(condition string) string {
		return fmt.Sprintf("countIf(%[1]s), sumIf(spend, %[1]s), sumIf(commission, %[1]s)", condition)
	}
	return query(asked(ctx), l, "what was sold", func(rows driver.Rows, s *rules.SalesSum) error {
		var sales, returns uint64
		err := rows.Scan(&s.PartnerID, (*currencyCode)(&s.Currency), &sales, &s.Sales.SpendMinor, &s.Sales.CommissionMinor,
			&returns, &s.Returns.SpendMinor, &s.Returns.CommissionMinor)
		s.Sales.Count, s.Returns.Count = int64(sales), int64(returns)
		return err
	}, `
		SELECT partner_id, currency, `+sums("commission > 0 OR commission = 0 AND spend > 0")+`, `+sums("commission < 0 OR commission = 0 AND spend < 0")+`
		FROM (
			SELECT partner_id, currency, sum(owed) AS commission,
				if(countIf(is_terms) > 0, sumIf(basis, is_terms), argMax(basis, abs(basis))) AS spend
			FROM (
				SELECT partner_id, currency, account_ref, transaction_id, role = 'partner' AND offer_id = '' AS is_terms,
					sum(basis_minor) AS basis, sum(commission_minor) AS owed
				FROM ledger
				WHERE programme = $1 AND partner_id != '' AND stage = 'confirmed' AND role IN ('member', 'partner')
					AND recorded_at >= fromUnixTimestamp64Milli($2) AND recorded_at < fromUnixTimestamp64Milli($3)
				GROUP BY partner_id, currency, account_ref, transaction_id, role, offer_id
			) GROUP BY partner_id, currency, account_ref, transaction_id
		) GROUP BY partner_id, currency ORDER BY partner_id, currency
		SETTINGS max_bytes_before_external_group_by = `+fmt.Sprint(historyMemoryBytes),
		programme, from, until)
}

const closingColumns = `position, programme, partner_id, closed_in, from_ms, until_ms, closed_ms, by, reason, document, sha256`

// Closings are all months that were closed, in order. Whatever is not as it was
// written is an error: rows that are gone, changed, or there twice.
func (l *Ledger) Closings(ctx context.Context) ([]rules.Closing, error) {
	all, err := query(ctx, l, "closed months", func(rows driver.Rows, c *rules.Closing) error {
		var document, sum string
		err := rows.Scan(&c.Position, &c.Programme, &c.PartnerID, &c.Month, &c.From, &c.Until, &c.ClosedAt, &c.By, &c.Reason, &document, &sum)
		c.Document = []byte(document)
		copy(c.SHA256[:], sum)
		return err
	}, `SELECT `+closingColumns+` FROM invoices_log WHERE row = 0 ORDER BY position`)
	if err != nil {
		return nil, err
	}
	for i := range all {
		c := &all[i]
		if c.Position != uint64(i)+1 {
			return nil, fmt.Errorf("%w: closed months: one stands at place %d where %d is due: rows of invoices_log are gone, or there twice; restore the table from a backup",
				ErrPermanent, c.Position, i+1)
		}
		if sha256.Sum256(c.Document) != c.SHA256 {
			return nil, fmt.Errorf("%w: closed months: the closing of %s at place %d was changed since it was written: restore invoices_log from a backup",
				ErrPermanent, c.Month, c.Position)
		}
	}
	return all, nil
}

// InvoiceFilter chooses invoices; an empty field chooses all.
type InvoiceFilter struct {
	Number, Programme, PartnerID string
	ClosedIn                     string // a month
	Limit                        int    // of the newest; 0: all
	Bare                         bool   // without their documents
}

// Invoices lists invoices and credit notes in the order in which they were closed.
func (l *Ledger) Invoices(ctx context.Context, f InvoiceFilter) ([]rules.InvoiceRow, error) {
	limit, document := "", "document"
	if f.Bare {
		document = "''"
	}
	if f.Limit > 0 {
		limit = fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	all, err := query(ctx, l, "invoices", func(rows driver.Rows, r *rules.InvoiceRow) error {
		var document, sum string
		err := rows.Scan(&r.Position, &r.Number, &r.Programme, &r.PartnerID, &r.Month, &r.ClosedIn, &r.Type, &r.IssuedOn, &r.Corrects,
			(*currencyCode)(&r.Currency), &r.CommissionMinor, &r.NetMinor, &r.VATMinor, &r.GrossMinor, &document, &sum)
		r.Document = []byte(document)
		copy(r.SHA256[:], sum)
		return err
	}, `SELECT position, number, programme, partner_id, month, closed_in, type, issued_on, corrects,
			currency, commission_minor, net_minor, vat_minor, gross_minor, `+document+`, sha256
		FROM (
			SELECT * FROM invoices_log
			WHERE row > 0 AND ($1 = '' OR number = $1) AND ($2 = '' OR programme = $2) AND ($3 = '' OR partner_id = $3) AND ($4 = '' OR closed_in = $4)
			ORDER BY position DESC, row DESC`+limit+`
		) ORDER BY position, row`, f.Number, f.Programme, f.PartnerID, f.ClosedIn)
	if err != nil || f.Bare {
		return all, err
	}
	for i := range all {
		if sha256.Sum256(all[i].Document) != all[i].SHA256 {
			return nil, fmt.Errorf("%w: invoice %s was changed since it was written: restore invoices_log from a backup", ErrPermanent, all[i].Number)
		}
	}
	return all, nil
}

// Billed lists all invoices and credit notes without their documents, in the order in
// which they were closed.
func (l *Ledger) Billed(ctx context.Context) ([]rules.InvoiceRow, error) {
	return l.Invoices(ctx, InvoiceFilter{Bare: true})
}

// Document is the invoice or credit note of a number.
func (l *Ledger) Document(ctx context.Context, number string) (*rules.InvoiceRow, error) {
	found, err := l.Invoices(ctx, InvoiceFilter{Number: number})
	if err == nil && (len(found) != 1 || number == "") {
		err = fmt.Errorf("no invoice has the number %q", number)
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// CloseMonth stores a closing with its invoices, all or nothing, unless there is one
// at its position already: then nothing is stored, and won is false. After an error it
// isn't known whether it is stored; Closings tells.
func (l *Ledger) CloseMonth(ctx context.Context, c *rules.Closing, invoices []rules.InvoiceRow) (won bool, err error) {
	attempt := uuid.NewString()
	token := fmt.Sprintf("closing %d", c.Position)
	writing := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplicate": 1, "insert_deduplication_token": token,
	}))
	batch, err := l.reads.PrepareBatch(writing, `INSERT INTO invoices_log (position, row, attempt, programme, partner_id, month, closed_in, from_ms, until_ms,
		number, type, issued_on, corrects, currency, commission_minor, net_minor, vat_minor, gross_minor, closed_ms, by, reason, document, sha256)`)
	if err != nil {
		return false, fmt.Errorf("close %s of programme %s: %w", c.Month, c.Programme, explain(err))
	}
	defer func() { _ = batch.Close() }() // gives the connection back; what it says after Send is nothing new
	err = batch.Append(c.Position, uint32(0), attempt, c.Programme, c.PartnerID, c.Month, c.Month, c.From, c.Until,
		"", uint16(0), "", "", "", int64(0), int64(0), int64(0), int64(0), c.ClosedAt, c.By, c.Reason, string(c.Document), string(c.SHA256[:]))
	for i := range invoices {
		if err != nil {
			break
		}
		r := &invoices[i]
		err = batch.Append(c.Position, uint32(i+1), attempt, r.Programme, r.PartnerID, r.Month, c.Month, c.From, c.Until,
			r.Number, r.Type, r.IssuedOn, r.Corrects, r.Currency.String(), r.CommissionMinor, r.NetMinor, r.VATMinor, r.GrossMinor,
			c.ClosedAt, c.By, c.Reason, string(r.Document), string(r.SHA256[:]))
	}
	if err == nil {
		err = batch.Send()
	}
	if err != nil {
		return false, fmt.Errorf("close %s of programme %s: %w", c.Month, c.Programme, explain(err))
	}
	return l.closedBy(ctx, c.Position, attempt)
}

// closedBy reports whether what stands at a position came with this insert. Two that
// stand there would be two sets of invoices under the same numbers: that is told, and
// Closings refuses to go on.
func (l *Ledger) closedBy(ctx context.Context, position uint64, attempt string) (bool, error) {
	attempts, err := query(ctx, l, "closed months", func(rows driver.Rows, a *string) error { return rows.Scan(a) },
		`SELECT DISTINCT attempt FROM invoices_log WHERE position = $1`, position)
	switch {
	case err != nil:
		return false, err
	case len(attempts) != 1:
		return false, fmt.Errorf("%w: %d closings stand at place %d of invoices_log: the server doesn't hold to insert_deduplication_token, so that two were stored at once; nothing may be sent of them before one is deleted",
			ErrPermanent, len(attempts), position)
	}
	return attempts[0] == attempt, nil
}
