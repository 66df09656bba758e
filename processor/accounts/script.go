package accounts

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"ristourne/processor"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

// script is a Lua script that Redis runs as one: all or nothing of it is seen.
type script struct{ source, sha1 string }

func scriptOf(names ...string) script {
	var source string
	for _, name := range names {
		text, err := scriptFiles.ReadFile("scripts/" + name + ".lua")
		if err != nil {
			panic(err) // the files are part of the binary
		}
		source += string(text)
	}
	sum := sha1.Sum([]byte(source)) // Redis names scripts so; it guards nothing
	return script{source: source, sha1: hex.EncodeToString(sum[:])}
}

var (
	acquireScript      = scriptOf("acquire")
	saveScript         = scriptOf("fenced", "append", "pages", "save")
	clearScript        = scriptOf("fenced", "clear")
	stillDecidedScript = scriptOf("fenced", "still_decided")
	beginScript        = scriptOf("fenced", "begin")
	restoreScript      = scriptOf("fenced", "append", "pages", "restore")
	finishScript       = scriptOf("fenced", "finish")
	allocateScript     = scriptOf("allocate")
	reserveScript      = scriptOf("fenced", "reserve")
	intactScript       = scriptOf("fenced", "intact")
	leaseScript        = scriptOf("fenced", "lease")

	sweepScript = scriptOf("sweep")
	sweptScript = scriptOf("swept")

	installationScript = scriptOf("installation")
)

// call is the arguments of one command. They are pointers into the call, since
// a value in an interface would be allocated one by one. Its memory is used
// again by later calls.
type call struct {
	args   []any
	names  []byte // of the account keys, one behind the other
	ends   []int
	keys   []string
	values []value
	hashes []byte
}

// value is an argument that go-redis takes by pointer.
type value []byte

// MarshalBinary gives the bytes themselves.
func (v *value) MarshalBinary() ([]byte, error) { return *v, nil }

var calls = sync.Pool{New: func() any { return new(call) }}

// newCall starts a call with the fixed keys of a script.
func newCall(s script, fixed ...string) *call {
	c := calls.Get().(*call)
	c.args = append(c.args[:0], "evalsha", s.sha1, 0)
	for _, key := range fixed {
		c.args = append(c.args, key)
	}
	return c
}

func (c *call) release() {
	clear(c.args)
	clear(c.keys)
	clear(c.values)
	c.args, c.names, c.ends, c.keys = c.args[:0], c.names[:0], c.ends[:0], c.keys[:0]
	c.values, c.hashes = c.values[:0], c.hashes[:0]
	calls.Put(c)
}

// nameAccounts makes the keys of accounts in one piece.
func (c *call) nameAccounts(k *keys, generation string, number int, id func(int) string) {
	for i := range number {
		c.names = k.appendAccount(c.names, generation, id(i))
		c.ends = append(c.ends, len(c.names))
	}
	text, from := string(c.names), 0
	for _, end := range c.ends {
		c.keys = append(c.keys, text[from:end])
		from = end
	}
}

// namePages names the pages of those accounts of which some are written.
func (c *call) namePages(sh *shard, states []processor.AccountState) {
	for i := range states {
		if hasPages(&states[i]) {
			c.keys = append(c.keys, sh.pages(sh.generation, states[i].ID))
		}
	}
}

// addPages adds what pages.lua reads.
func (c *call) addPages(states []processor.AccountState) {
	at, n := len(c.args), 0
	c.add(0)
	for i := range states {
		s := &states[i]
		if !hasPages(s) {
			continue
		}
		n++
		c.add(s.Fresh, s.FirstPage, len(s.Pages))
		for _, page := range s.Pages {
			c.add(page)
		}
	}
	c.args[at] = n
}

func hasPages(s *processor.AccountState) bool { return s.Fresh || len(s.Pages) > 0 }

// endKeys closes the list of keys: what comes from now on are values.
func (c *call) endKeys() {
	for i := range c.keys {
		c.args = append(c.args, &c.keys[i])
	}
	c.args[2] = len(c.args) - 3
}

func (c *call) add(args ...any) { c.args = append(c.args, args...) }

// addHashes adds hashes in the form in which the filters hold them.
func (c *call) addHashes(lists ...[]uint64) {
	var ends [2]int
	for i, list := range lists {
		for _, h := range list {
			c.hashes = binary.LittleEndian.AppendUint64(c.hashes, h)
		}
		ends[i] = len(c.hashes)
	}
	from := 0
	for _, end := range ends[:len(lists)] {
		c.args = append(c.args, c.hashes[from:end])
		from = end
	}
}

func (c *call) addValues(number int, of func(int) []byte) {
	for i := range number {
		c.values = append(c.values, of(i))
	}
	for i := range c.values {
		c.args = append(c.args, &c.values[i])
	}
}

// run gives the script's answer: a list of strings of which the first says
// what came of it. A server that doesn't know the script yet, after a restart
// or a failover, is given the source.
func (s *Store) run(ctx context.Context, sc script, c *call) ([]string, error) {
	defer c.release()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cmd := redis.NewStringSliceCmd(ctx, c.args...)
	err := s.client.Process(ctx, cmd)
	if errors.Is(err, redis.ErrNoScript) || redis.HasErrorPrefix(err, "NOSCRIPT") {
		c.args[0], c.args[1] = "eval", sc.source
		cmd = redis.NewStringSliceCmd(ctx, c.args...)
		err = s.client.Process(ctx, cmd)
	}
	if err != nil {
		return nil, err
	}
	answer := cmd.Val()
	if len(answer) == 0 {
		return nil, fmt.Errorf("script gave no answer")
	}
	return answer, nil
}
