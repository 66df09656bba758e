package processor

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"ristourne/rules"
)

// ErrOtherInstallation says that the configuration names parts, or a secret, that
// don't belong together. No waiting mends it, and nothing was decided.
var ErrOtherInstallation = errors.New("these parts are not of one installation")

// RedisIdentity is what Redis knows of the installation that it belongs to.
type RedisIdentity struct {
	rules.Installation      // zero: none yet
	Confirmed          bool // the ledger had it too
	Used               bool // shards have decided something in it
}

// RedisInstallation is where Redis keeps the installation.
type RedisInstallation interface {
	Installation(ctx context.Context) (RedisIdentity, error)
	// HoldInstallation writes one where there is none, and gives what stands then.
	HoldInstallation(ctx context.Context, of rules.Installation, confirmed bool) (rules.Installation, error)
}

// LedgerInstallation is where the ledger keeps it.
type LedgerInstallation interface {
	Installations(ctx context.Context) ([]rules.Installation, error)
	BeginInstallation(ctx context.Context, of rules.Installation) error
	WithdrawInstallation(ctx context.Context, of rules.Installation) error
	HasBooked(ctx context.Context) (bool, error)
	AnyAccount(ctx context.Context) (accountID string, ref rules.AccountRef, found bool, err error)
}

// HoldInstallation makes sure, before anything is read or written, that Redis,
// the ledger and the secret of the account references belong together. Whoever
// comes first makes the installation; any number may come first at once.
//
// Where they don't, every account would be split in two, or the states of one
// bank be booked into the ledger of another: ErrOtherInstallation.
func HoldInstallation(ctx context.Context, store RedisInstallation, ledger LedgerInstallation, accountRefKey []byte) (rules.Installation, error) {
	h := holding{store: store, ledger: ledger, key: accountRefKey}
	known, err := h.known(ctx)
	if err != nil {
		return known, err
	}
	if known.ID == "" {
		if known, err = h.begin(ctx); err != nil {
			return known, err
		}
	}
	held, err := store.HoldInstallation(ctx, known, true)
	if err != nil {
		return known, err
	}
	return known, agree(held, known)
}

// CheckInstallation is HoldInstallation for who only reads: it begins nothing.
func CheckInstallation(ctx context.Context, store RedisInstallation, ledger LedgerInstallation, accountRefKey []byte) error {
	h := holding{store: store, ledger: ledger, key: accountRefKey}
	_, err := h.known(ctx)
	return err
}

// holding is the work of one HoldInstallation.
type holding struct {
	store  RedisInstallation
	ledger LedgerInstallation
	key    []byte

	redis RedisIdentity
}

// known is the installation that the ledger has, if Redis doesn't contradict; its
// ID is empty where none has begun.
func (h *holding) known(ctx context.Context) (rules.Installation, error) {
	var none rules.Installation
	var err error
	if h.redis, err = h.store.Installation(ctx); err != nil {
		return none, err
	}
	inLedger, err := h.ledger.Installations(ctx)
	if err != nil {
		return none, err
	}
	switch {
	case len(inLedger) > 1:
		return none, fmt.Errorf("%w: the ClickHouse database is claimed by %d installations, %s and %s among them: two have started on it at once. "+
			"Stop both, give each a database of its own, and delete the other's row from installation_log",
			ErrOtherInstallation, len(inLedger), inLedger[0].ID, inLedger[1].ID)
	case len(inLedger) == 0 && h.redis.Confirmed:
		return none, fmt.Errorf("%w: Redis belongs to installation %s, and the ClickHouse database has never heard of it: clickhouse.database names another one, "+
			"or its tables were made anew. Correct clickhouse.database, or restore the database, installation_log included", ErrOtherInstallation, h.redis.ID)
	case len(inLedger) == 0:
		return none, nil
	}
	known := inLedger[0]
	switch {
	case h.redis.ID == "" && h.redis.Used:
		return none, fmt.Errorf("%w: the ClickHouse database belongs to installation %s, and the shards in Redis were decided without it: redis.prefix or "+
			"redis.addresses names another Redis, or it was restored from before it had an id. Correct it; if it is this installation's Redis, delete the keys "+
			"that begin with redis.prefix and a colon: they are rebuilt from ClickHouse", ErrOtherInstallation, known.ID)
	case h.redis.ID != "" && h.redis.ID != known.ID && (h.redis.Confirmed || h.redis.Used):
		return none, agree(h.redis.Installation, known)
	}
	return known, h.checkKey(known)
}

// begin makes the installation, which Redis decides the id of and the ledger
// whether it may be.
func (h *holding) begin(ctx context.Context) (rules.Installation, error) {
	booked, err := h.ledger.HasBooked(ctx)
	if err != nil {
		return rules.Installation{}, err
	}
	if h.redis.Used && !booked {
		return rules.Installation{}, fmt.Errorf("%w: shards in Redis have decided, and nothing is booked in the ClickHouse database: clickhouse.database or "+
			"redis.prefix names another one. Correct it, or restore the database", ErrOtherInstallation)
	}
	if err := h.checkAccount(ctx); err != nil {
		return rules.Installation{}, err
	}
	mine, err := h.store.HoldInstallation(ctx, rules.Installation{ID: uuid.NewString(), KeyFingerprint: keyFingerprint(h.key)}, false)
	if err != nil {
		return mine, err
	}
	if err := h.checkKey(mine); err != nil {
		return mine, err
	}
	if err := h.ledger.BeginInstallation(ctx, mine); err != nil {
		return mine, err
	}
	inLedger, err := h.ledger.Installations(ctx)
	if err != nil {
		return mine, err
	}
	for _, other := range inLedger {
		if other.ID != mine.ID {
			return mine, errors.Join(agree(mine, other), h.ledger.WithdrawInstallation(ctx, mine))
		}
	}
	return mine, nil
}

// checkAccount finds out, where a ledger is older than its fingerprint, whether
// its references were derived under the key.
func (h *holding) checkAccount(ctx context.Context) error {
	accountID, ref, found, err := h.ledger.AnyAccount(ctx)
	if err != nil || !found || newAccountRefs(h.key).ref(accountID) == ref {
		return err
	}
	return errKeyChanged("the references in accounts_log were not derived under it")
}

func (h *holding) checkKey(of rules.Installation) error {
	if of.KeyFingerprint == keyFingerprint(h.key) {
		return nil
	}
	return errKeyChanged(fmt.Sprintf("installation %s began with the key of fingerprint %s, this one has %s", of.ID, of.KeyFingerprint, keyFingerprint(h.key)))
}

func errKeyChanged(why string) error {
	return fmt.Errorf("%w: privacy.account_ref_key is not the key that this installation began with (%s): every account would be split in two. "+
		"Bring the former key back; it must never change", ErrOtherInstallation, why)
}

// agree refuses a Redis and a ledger of two installations.
func agree(inRedis, inLedger rules.Installation) error {
	if inRedis == inLedger {
		return nil
	}
	return fmt.Errorf("%w: Redis belongs to installation %s, the ClickHouse database to %s: correct redis.prefix, redis.addresses or clickhouse.database. "+
		"A new installation needs an empty one of each", ErrOtherInstallation, inRedis.ID, inLedger.ID)
}

// keyFingerprint tells two secrets apart and says nothing of either. The text
// that is signed is no account id: those have at most 64 characters.
func keyFingerprint(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("ristourne: the fingerprint of privacy.account_ref_key, by which a changed one is noticed"))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
