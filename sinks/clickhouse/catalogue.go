package clickhouse

import (
	"context"
	"errors"
	"fmt"

	"ristourne/rules"
)

// CatalogueVersion is one published catalogue.
type CatalogueVersion struct {
	Hash          string // of its content
	Previous      string // hash of the version it was made from; empty: the first
	EffectiveFrom rules.Instant
	PublishedAt   rules.Instant
	Body          []byte // its files, in the publisher's own form
}

// PutCatalogueVersion keeps a version. Putting it again changes nothing; when it
// returns, the version is stored. It goes as a block of data: the text of a query
// is bounded by max_query_size, 256 KiB, which thousands of partners are beyond.
func (l *Ledger) PutCatalogueVersion(ctx context.Context, v CatalogueVersion) error {
	err := l.putCatalogueVersion(ctx, &v)
	if err != nil {
		return fmt.Errorf("store catalogue version %s: %w", v.Hash, explain(err))
	}
	return nil
}

func (l *Ledger) putCatalogueVersion(ctx context.Context, v *CatalogueVersion) error {
	batch, err := l.reads.PrepareBatch(ctx,
		`INSERT INTO catalogue_versions_log (hash, previous, effective_sec, effective_nsec, published_sec, published_nsec, body)`)
	if err != nil {
		return err
	}
	defer batch.Close()
	if err := batch.Append(v.Hash, v.Previous, v.EffectiveFrom.Sec, v.EffectiveFrom.Nsec, v.PublishedAt.Sec, v.PublishedAt.Nsec, v.Body); err != nil {
		return err
	}
	return batch.Send()
}

// CatalogueVersions are all versions in the order of their publication.
func (l *Ledger) CatalogueVersions(ctx context.Context) (versions []CatalogueVersion, err error) {
	rows, err := l.reads.Query(ctx, `
		SELECT hash, previous, effective_sec, effective_nsec, published_sec, published_nsec, body
		FROM catalogue_versions_log FINAL
		ORDER BY published_sec, published_nsec, hash`)
	if err != nil {
		return nil, fmt.Errorf("read catalogue versions: %w", explain(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var v CatalogueVersion
		if err := rows.Scan(&v.Hash, &v.Previous, &v.EffectiveFrom.Sec, &v.EffectiveFrom.Nsec,
			&v.PublishedAt.Sec, &v.PublishedAt.Nsec, &v.Body); err != nil {
			return nil, fmt.Errorf("read catalogue versions: %w", err)
		}
		versions = append(versions, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read catalogue versions: %w", explain(err))
	}
	return versions, nil
}
