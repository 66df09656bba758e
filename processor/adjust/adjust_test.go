package adjust

import (
	"fmt"
	"strings"
	"testing"

	"ristourne/rules"
)

// TestTheTrailTellsWhatBecameOfAnAdjustment: the first that asks stands, and the first
// other person that decides, whichever clock their machines had.
func TestTheTrailTellsWhatBecameOfAnAdjustment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ trail, want string }{
		{"1 adjust ada", "posted by ada at 1"},
		{"1 adjust ada, 2 adjust bob", "posted by ada at 1"},
		{"1 adjust propose ada", "waiting by  at 0"},
		{"1 adjust propose ada, 2 adjust approve bob", "posted by bob at 2"},
		{"1 adjust propose ada, 2 adjust approve bob, 3 adjust approve carol", "posted by bob at 2"},
		{"1 adjust propose ada, 2 adjust approve Ada", "waiting by  at 0"},
		{"1 adjust propose ada, 2 adjust approve Ada, 3 adjust approve bob", "posted by bob at 3"},
		{"1 adjust propose ada, 2 adjust reject ada, 3 adjust approve bob", "rejected by ada at 2"},
		{"1 adjust propose ada, 2 adjust approve bob, 3 adjust reject carol", "posted by bob at 2"},
		{"1 adjust approve bob, 2 adjust propose ada", "posted by bob at 1"}, // by a clock that is behind
		{"1 settle ada, 2 adjust approve bob", ""},
	} {
		var actions []rules.OperatorAction
		for line := range strings.SplitSeq(c.trail, ", ") {
			words := strings.Fields(line)
			var at int64
			if _, err := fmt.Sscan(words[0], &at); err != nil {
				t.Fatal(err)
			}
			actions = append(actions, rules.OperatorAction{
				At: at * 1000, Action: strings.Join(words[1:len(words)-1], " "), By: words[len(words)-1],
				Details: `{"adjustment_id":"AD-1","amount_minor":100,"currency":"EUR"}`,
			})
		}
		got := ""
		for _, a := range fold(actions) {
			got += fmt.Sprintf("%s by %s at %d", a.State, a.DecidedBy, a.At.Sec)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.trail, got, c.want)
		}
	}
}
