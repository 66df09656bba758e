package clickhouse

import "ristourne/rules"

// Check says what Book would refuse for good, without a server.
func Check(d *rules.Decision) error { return check(d) }
