// Package retry tries again what failed: for as long as its context lasts, as a part
// of the system that is away comes back, and nothing is ever skipped.
package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Pauses are how long to wait between tries. They grow by half from First to Longest,
// and each is up to half shorter or longer by chance, so that many that failed
// together don't all come back at once.
type Pauses struct{ First, Longest time.Duration }

// Start begins them: NextBackOff gives one after the other, Reset begins anew.
func (p Pauses) Start() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = p.First, p.Longest
	return b
}

// Permanent makes an error one that no waiting mends: Until ends with it.
func Permanent(err error) error { return backoff.Permanent(err) }

// Until tries until it succeeds. It ends with the error that was made Permanent, as
// it was, or with the cause of ctx' end, and tells of each other failure and of the
// pause that follows.
func (p Pauses) Until(ctx context.Context, try func() error, tell func(err error, next time.Duration)) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, try() },
		backoff.WithBackOff(p.Start()), backoff.WithMaxElapsedTime(0), backoff.WithNotify(tell))
	return err
}
