package rules

import "fmt"

// Tables of the ledger whose loss is of another kind: of the markers, that say
// what is booked, and of the map from references to accounts.
const (
	MarkersTable  = "markers_log"
	AccountsTable = "accounts_log"
)

// Hole is a place where the ledger doesn't hold what was booked into it.
type Hole struct {
	Table    string `json:"table"`
	Shard    int32  `json:"shard"`
	Month    uint32 `json:"month,omitempty"` // of the table's partition, such as 202611; 0: no single one
	WantRows uint64 `json:"want_rows"`       // as the shard's marker counts them
	HaveRows uint64 `json:"have_rows"`       // repeats counted once
	What     string `json:"what"`
}

func (h Hole) String() string {
	where := fmt.Sprintf("%s, shard %d", h.Table, h.Shard)
	if h.Month != 0 {
		where += fmt.Sprintf(", month %d", h.Month)
	}
	return where + ": " + h.What
}

// Conflict is one id of the ledger with two contents: an alarm, as nothing may ever
// write one.
type Conflict struct {
	Table    string
	ID       string
	Contents []string // what differs, at most 10
}
