package engine

// Months of caps and windows of offers must not depend on the machine's files.
import (
	_ "time/tzdata"
)
