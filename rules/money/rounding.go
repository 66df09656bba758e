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
