package money

// Rounding is how an exact award becomes minor units.
type Rounding uint8

// The roundings a programme can choose. Down and Up go by magnitude, towards
// and away from zero.
const (
	HalfEven Rounding = iota
	HalfUp
	Down
	Up
)

var roundingNames = [...]string{"half_even", "half_up", "down", "up"}

func (r Rounding) String() string {
	if int(r) >= len(roundingNames) {
		return "unknown"
	}
	return roundingNames[r]
}

// roundsUp decides for the quotient of a non-negative division: whether
// quotient + 1 is the rounded value, given remainder / divisor beyond it.
func (r Rounding) roundsUp(quotient, remainder, divisor uint64) bool {
	if remainder == 0 {
		return false
	}
	switch r {
	case Down:
		return false
	case Up:
		return true
	}
	twice := remainder * 2 // remainder < divisor <= 10^12
	if twice == divisor {
		return r == HalfUp || quotient%2 == 1
	}
	return twice > divisor
}
