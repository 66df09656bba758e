package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"ristourne/deploy/localservers"
)

// bench is the parts and the folder of one run.
type bench struct {
	options
	dir, catalogue, peerOffers string
	kafka                      *localservers.Kafka
	redis                      *localservers.Redis
	clickhouse                 *localservers.ClickHouse
	streams                    string // the peer's folder, built
	log                        io.Writer
}

func run(ctx context.Context, stdout, stderr io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "ristourne-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.keep != "" {
		if err := os.MkdirAll(o.keep, 0o700); err != nil {
			return err
		}
	}
	b := &bench{options: o, dir: dir, catalogue: filepath.Join(dir, "catalogue"), peerOffers: filepath.Join(dir, "offers.json"), log: stderr}
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	found, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return report(stdout, o, found)
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

func (b *bench) start(ctx context.Context) (err error) {
	all := terms(b.stores)
	if err := errors.Join(writeCatalogue(b.catalogue, all), writePeerOffers(b.peerOffers, all)); err != nil {
		return err
	}
	if b.peers {
		if b.streams, err = b.buildStreams(ctx); err != nil {
			return err
		}
	}
	o := localservers.Options{Kind: localservers.Kind(b.parts), Log: b.say}
	if b.kafka, err = localservers.StartKafka(ctx, o); err != nil {
		return err
	}
	if !b.trial {
		o.Kind = localservers.Real // miniredis is no server to measure with
	}
	if b.redis, err = localservers.StartRedis(ctx, o); err != nil {
		return err
	}
	b.clickhouse, err = localservers.StartClickHouse(ctx, o)
	return err
}

func (b *bench) stop() {
	if b.clickhouse != nil {
		_ = b.clickhouse.Close()
	}
	if b.redis != nil {
		_ = b.redis.Close()
	}
	if b.kafka != nil {
		_ = b.kafka.Close()
	}
}

// of is the load of a share. Where most events match, each costs many times as
// much, and fewer will do.
func (b *bench) of(share int) load {
	l := load{events: b.events, members: b.members, stores: b.stores, share: share}
	if share > 50 {
		l.events /= 4
	}
	return l
}

// purchasesOf is the load in which each account has so many purchases in the
// end. Of 100 events some 53 begin a purchase.
func (b *bench) purchasesOf(n int) load {
	l := b.of(100)
	l.members = max(1, l.events*53/100/n)
	return l
}

// measure measures every case.
func (b *bench) measure(ctx context.Context) (all []measure, err error) {
	take := func(m measure, err error) error {
		if err == nil {
			all = append(all, m)
		}
		return err
	}
	for i, share := range b.shares {
		s, err := b.scene(ctx, fmt.Sprintf("s%d", share), b.of(share))
		if err != nil {
			return nil, err
		}
		if i == 0 {
			b.say("kafka-go's group Reader")
			if err := take(b.reader(ctx, s.topics.Transactions, s.name+"-reader", s.load.events)); err != nil {
				return nil, err
			}
		}
		if err := take(b.stream(ctx, s, fmt.Sprintf("Ristourne, %d %%", share))); err != nil {
			return nil, err
		}
		if b.peers {
			if err := take(b.peer(ctx, s, fmt.Sprintf("Kafka Streams, %d %%", share))); err != nil {
				return nil, err
			}
		}
	}
	if b.zipf && len(b.shares) > 0 {
		l := b.of(b.shares[len(b.shares)-1])
		l.zipf = true
		if err := take(b.measured(ctx, "zipf", l, fmt.Sprintf("Ristourne, %d %%, Zipf", l.share))); err != nil {
			return nil, err
		}
	}
	for _, n := range b.purchases {
		if err := take(b.measured(ctx, fmt.Sprintf("p%d", n), b.purchasesOf(n), fmt.Sprintf("Ristourne, %d purchases an account", n))); err != nil {
			return nil, err
		}
	}
	for _, rate := range b.rates {
		if err := take(b.paced(ctx, rate)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (b *bench) measured(ctx context.Context, name string, l load, told string) (measure, error) {
	s, err := b.scene(ctx, name, l)
	if err != nil {
		return measure{}, err
	}
	return b.stream(ctx, s, told)
}
