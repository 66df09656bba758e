package published

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"ristourne/processor/catalog"
	"ristourne/rules"
)

// Read gives the whole catalogue that is published, and Redis' time now.
// ErrEmpty: nothing was ever published.
func Read(ctx context.Context, client redis.UniversalClient, prefix string) (*catalog.Loaded, rules.Instant, error) {
	k := keysOf(prefix)
	newest, err := readHead(ctx, client, k)
	if err != nil {
		return nil, rules.Instant{}, err
	}
	published := newHistory()
	if err := published.catchUp(ctx, client, k, newest); err != nil {
		return nil, newest.now, err
	}
	loaded, err := catalog.Assemble("", published.documents(), nil, newest.now.Time())
	if err != nil {
		return nil, newest.now, fmt.Errorf("%w: version %d: %w", errBroken, newest.number, err)
	}
	return loaded, newest.now, nil
}

// Preview is what a publication would do, were it made now.
type Preview struct {
	Before  *catalog.Loaded // nil: nothing was ever published
	After   *catalog.Loaded
	Changes []Change      // none: the folder says what is published already
	Now     rules.Instant // Redis' time
}

// PreviewOf works out what Publish would do with a folder, and does nothing. Its
// errors are those of Publish.
func PreviewOf(ctx context.Context, client redis.UniversalClient, loaded *catalog.Loaded, options PublishOptions) (*Preview, error) {
	p, err := newPlan(ctx, client, keysOf(options.Prefix), options.RemoveMissing, 5)
	if err != nil {
		return nil, err
	}
	preview := &Preview{Now: p.now}
	if p.before.number > 0 {
		if preview.Before, err = catalog.Assemble("", p.before.documents(), nil, p.now.Time()); err != nil {
			return nil, fmt.Errorf("%w: version %d: %w", errBroken, p.before.number, err)
		}
	}
	if err := p.make(loaded.Documents); err != nil {
		return nil, err
	}
	if preview.After, err = catalog.Assemble("", p.after.documents(), nil, p.now.Time()); err != nil {
		return nil, err
	}
	for i := range p.documents {
		d := &p.documents[i]
		preview.Changes = append(preview.Changes, Change{d.Subject, d.Change, d.Version, d.from(), d.File})
	}
	return preview, nil
}

// End ends one subject as soon as the rule of publishing allows, some six
// minutes from now, and withdraws what was to come of it. Nothing else changes. What was
// decided by it before stays. No changes: it had ended already, or there never
// was such a subject. A catalogue that doesn't hold without it is refused.
func End(ctx context.Context, client redis.UniversalClient, subject catalog.Subject, options PublishOptions) (Result, error) {
	options.RemoveMissing = true // of this subject, which alone is looked at
	return publishChange(ctx, client, options, func(p *plan) error {
		if p.before.number == 0 {
			return ErrEmpty
		}
		p.endMissing(subject)
		if len(p.missing) > 0 {
			return fmt.Errorf("end %s", p.missing[0])
		}
		return p.check()
	})
}
