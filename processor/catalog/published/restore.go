package published

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// errNotEmpty says that Redis has a catalogue, which is not to be written over.
var errNotEmpty = errors.New("there is a catalogue in Redis already: nothing is brought back over it")

// Restore brings a catalogue that Redis lost back from its archive: the chain
// that ends with the version whose hash begins with tip. An empty tip takes the
// newest version, where there is one newest: the archive may also hold versions
// that were put there and then lost their race into Redis. It gives the version
// that is the newest now.
func Restore(ctx context.Context, client redis.UniversalClient, prefix string, bodies [][]byte, tip string) (Version, error) {
	chain, err := chainOf(bodies, tip)
	if err != nil {
		return Version{}, err
	}
	k := keysOf(prefix)
	newest, err := readHead(ctx, client, k)
	if err != nil {
		return Version{}, err
	}
	last := chain[len(chain)-1]
	switch {
	case newest.number == last.Number && newest.hash == last.Hash:
		return last, nil // done before
	case newest.number != 0:
		return Version{}, errNotEmpty
	}
	for _, v := range chain { // nobody reads a body before the head names it
		if err := client.HSet(ctx, k.versions, strconv.FormatUint(v.Number, 10), v.Body).Err(); err != nil {
			return Version{}, fmt.Errorf("bring back version %d of the catalogue: %w", v.Number, err)
		}
	}
	reply, err := client.Eval(ctx, restoreScript, []string{k.head, k.nudge}, last.Number, last.Hash).Text()
	switch {
	case err != nil:
		return Version{}, fmt.Errorf("bring back the head of the catalogue: %w", err)
	case reply != "restored":
		return Version{}, errNotEmpty
	}
	return last, nil
}

//go:embed scripts/restore.lua
var restoreScript string

// chainOf puts archived versions in order, from the first to the tip.
func chainOf(bodies [][]byte, tip string) ([]Version, error) {
	byHash := map[string]Version{}
	var longest uint64
	for _, body := range bodies {
		_, v, err := open(body)
		if err != nil {
			return nil, err
		}
		byHash[v.Hash], longest = v, max(longest, v.Number)
	}
	if len(byHash) == 0 {
		return nil, errors.New("the archive holds no version of the catalogue: publish one (ristourne offers publish DIR)")
	}
	var tips []string
	for hash, v := range byHash {
		if tip == "" && v.Number == longest || tip != "" && strings.HasPrefix(hash, tip) {
			tips = append(tips, hash)
		}
	}
	if len(tips) != 1 {
		return nil, fmt.Errorf("%d archived versions could be the newest (%s): say which one was, by the hash in a processor's log", len(tips), strings.Join(tips, ", "))
	}
	chain := make([]Version, byHash[tips[0]].Number)
	for hash, i := tips[0], len(chain)-1; i >= 0; i-- {
		v, archived := byHash[hash]
		if !archived || v.Number != uint64(i+1) {
			return nil, fmt.Errorf("%w: the archive lacks version %d (%.12s)", errBroken, i+1, hash)
		}
		chain[i], hash = v, v.Previous
	}
	return chain, nil
}
