package accounts

import (
	"context"
	"fmt"

	"ristourne/processor"
	"ristourne/rules"
)

// Installation reads to which installation the Redis prefix belongs, and whether
// any shard has decided anything in it.
func (s *Store) Installation(ctx context.Context) (processor.RedisIdentity, error) {
	held, shards, err := s.installation(ctx)
	if err != nil {
		return held, fmt.Errorf("read the installation from Redis: %w", err)
	}
	for number := range int32(shards) {
		head, err := s.Head(ctx, number)
		if err != nil {
			return held, err
		}
		held.Used = held.Used || head.Batch > 0
	}
	return held, nil
}

// HeldInstallation reads the installation alone; its ID is empty where none is held.
func (s *Store) HeldInstallation(ctx context.Context) (rules.Installation, error) {
	held, _, err := s.installation(ctx)
	if err != nil {
		return rules.Installation{}, fmt.Errorf("read the installation from Redis: %w", err)
	}
	return held.Installation, nil
}

func (s *Store) installation(ctx context.Context) (held processor.RedisIdentity, shards int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := s.client.HMGet(ctx, s.installationKey(), "id", "key", "confirmed").Result()
	if err != nil {
		return held, 0, err
	}
	fields := texts(found)
	held.ID, held.KeyFingerprint, held.Confirmed = fields[0], fields[1], fields[2] != ""
	shards, err = s.Shards(ctx)
	return held, shards, err
}

// HoldInstallation writes the installation where there is none yet, and gives
// the one that stands then. confirmed: the ledger has it too.
func (s *Store) HoldInstallation(ctx context.Context, of rules.Installation, confirmed bool) (rules.Installation, error) {
	c := newCall(installationScript, s.installationKey())
	c.endKeys()
	flag := 0
	if confirmed {
		flag = 1
	}
	c.add(of.ID, of.KeyFingerprint, flag)
	answer, err := s.run(ctx, installationScript, c)
	if err == nil && len(answer) != 3 {
		err = fmt.Errorf("script gave %q", answer)
	}
	if err != nil {
		return rules.Installation{}, fmt.Errorf("hold the installation in Redis: %w", err)
	}
	return rules.Installation{ID: answer[1], KeyFingerprint: answer[2]}, nil
}

func (s *Store) installationKey() string { return s.prefix + ":installation" }
func (s *Store) shardsKey() string       { return s.prefix + ":shards" }
