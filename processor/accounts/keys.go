package accounts

import (
	"fmt"
	"regexp"
	"strconv"
)

// keys are the names of what Redis holds of a shard. The first {...} of a name
// decides its slot in a cluster, so the tag stands before everything that may
// hold a brace itself.
type keys struct {
	owner    string // hash: epoch, generation of the states, rebuilding
	head     string // hash: heads, batch, seq, numbers of members and known ids
	fates    string // hash: number of records by fate, since ever
	outbox   string // hash: batch to blob
	members  string // members:0, members:1, ...: strings of hashes
	known    string // likewise
	accounts string // accounts + generation + ":" + account id: strings
	// A hash of an account's purchases that are put away, by page, has a p behind the
	// generation.
	budgets string // budgets + budget: hash: drawn, granted, generation of the states
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

func keysOf(prefix string, shard int32) keys {
	tag := prefix + ":{" + strconv.Itoa(int(shard)) + "}:"
	return keys{
		owner: tag + "owner", head: tag + "head", fates: tag + "fates", outbox: tag + "outbox",
		members: tag + "members", known: tag + "known", accounts: tag + "a", budgets: tag + "budget:",
	}
}

func (k *keys) chunk(filter string, number int) string {
	return filter + ":" + strconv.Itoa(number)
}

func (k *keys) appendAccount(dst []byte, generation, id string) []byte {
	dst = append(dst, k.accounts...)
	dst = append(dst, generation...)
	dst = append(dst, ':')
	return append(dst, id...)
}

// pages is the key of what is put away of an account.
func (k *keys) pages(generation, id string) string {
	return k.accounts + generation + pagesMark + ":" + id
}

// pagesMark tells keys of pages from those of states.
const pagesMark = "p"

func checkPrefix(prefix string) error {
	if !prefixForm.MatchString(prefix) {
		return fmt.Errorf("prefix %q of the Redis keys: only letters, digits and _ . : - may stand in it", prefix)
	}
	return nil
}
