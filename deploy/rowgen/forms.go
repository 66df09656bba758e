package main

import "cmp"

// form is how the values of a column are written in each of the places where they
// are. In it $v stands for the value, $s and $i for the value as a string and an
// int64, $p for a pointer to it as one of Go's own types, $max for the last value of
// an enum that has a name, and $last for what the outbox knows of the row before.
type form struct {
	// Of the outbox's encoder and decoder; what type the latter gives, where that isn't
	// the field's own; and the fewest bytes that a value takes.
	encode, decode, gives string
	minBytes              int
	// Of ClickHouse: the method of columns that declares one, and the column's that
	// appends. Empty: no table has it.
	block, append string
	// What is selected of a column, here $v, and into what that is scanned. Empty: it
	// takes two.
	selected, into string
	// Of the tally: what the server digests of a column, and what we do on the way
	// there. Empty: nobody has needed it.
	sql, digest string
	json        string // empty: it isn't told
}

// What several forms have in common.
var (
	number = form{
		encode: "e.int($i)", decode: "r.int()", gives: "int64", minBytes: 1,
		block: "int64", append: "appendInt64($i)", selected: "$v", into: "$p",
		sql: "sqlInt", digest: "d.int($i)", json: "$v",
	}
	text = form{
		encode: "e.word($s)", decode: "r.word()", gives: "string", minBytes: 1,
		block: "text", append: "appendString($s)", selected: "$v", into: "$p",
		sql: "sqlText", digest: "d.str($s)", json: "$s",
	}
	reference = form{
		encode: "e.ref($v)", decode: "r.ref()", minBytes: 1,
		block: "uuid", append: "appendRef($v)", selected: "$v", into: "(*uuid.UUID)(&$v)",
		sql: "sqlUUID", digest: "d.ref($v)",
	}
	moment = form{
		encode: "e.instant($v)", decode: "r.instant()", minBytes: 2,
		block: "instant", append: "append($v)", json: "$v.String()",
	}
)

// forms are all there are, by the kinds of fields (see kindOf).
var forms = map[string]form{
	"string":   text,
	"unique":   text.with(form{encode: "e.text($s)", decode: "r.string()"}),
	"personal": {encode: text.encode, decode: text.decode, gives: text.gives, minBytes: 1, json: text.json},
	"int64":    number,
	"int32":    number.with(form{decode: "r.int32()", gives: "int32", block: "int32", append: "appendInt32($v)"}),
	"uint64":   number.with(form{encode: "e.uint($v)", decode: "r.uint()", gives: "uint64", block: "uint64", digest: "d.uint($v)"}),
	"rising":   {encode: "e.near(&e.$last, $i)", decode: "r.near(&r.$last)", gives: "int64"}, // the rest by its type
	"millis":   number.with(form{encode: "e.near(&e.last.recordedAt, $v)", decode: "r.near(&r.last.recordedAt)", json: "millis($v)"}),
	"enum": {
		encode: "e.byte(byte($v))", decode: "r.enum($max)", gives: "byte", minBytes: 1,
		block: "int8", append: "appendInt8(int8($v))", selected: "toUInt8($v)", into: "(*uint8)(&$v)",
		sql: "sqlEnum", digest: "d.int($i)", json: "$v.String()",
	},
	"bool": {
		encode: "e.bool($v)", decode: "r.bool()", minBytes: 1,
		block: "bool", append: "appendBool($v)", selected: "$v", into: "&$v", json: "$v",
	},
	"id": {
		encode: "e.id($v)", decode: "r.id()", minBytes: 16,
		block: "id", append: "appendID($v)", selected: "$v", into: "(*idBytes)(&$v)",
		sql: "sqlFixed", digest: "d.fixed($v)", json: "hex.EncodeToString($v[:])",
	},
	"ref": reference,
	"beneficiary": reference.with(form{
		encode: "e.beneficiary($v)", decode: "r.beneficiary()", append: "appendRef(beneficiaryRef(row))", digest: "d.ref(beneficiaryRef(row))",
	}),
	"currency": {
		encode: "e.currency($v)", decode: "r.currency()", minBytes: 3,
		block: "text", append: "appendCurrency($v)", selected: "$v", into: "(*currencyCode)(&$v)",
		sql: "sqlText", digest: "d.currency($v)", json: "$v.String()",
	},
	"instant": moment,
	"rare":    moment.with(form{encode: "e.rareInstant($v)", decode: "r.rareInstant()", minBytes: 1, block: "exactInstant", json: "stated($v)"}),
	"words": {
		encode: "e.words($v)", decode: "r.words()", minBytes: 1,
		block: "words", append: "append($v)", selected: "$v", into: "&$v", json: "orEmpty($v)",
	},
	"bytes": {
		encode: "e.bytes($v)", decode: "r.bytes()", minBytes: 1,
		block: "text", append: "appendBytes($v)", selected: "$v", into: "&$v", sql: "sqlText", digest: "d.bytes($v)",
	},
}

// with is f, but for what o says.
func (f form) with(o form) form {
	return form{
		encode: cmp.Or(o.encode, f.encode), decode: cmp.Or(o.decode, f.decode), gives: cmp.Or(o.gives, f.gives),
		minBytes: cmp.Or(o.minBytes, f.minBytes),
		block:    cmp.Or(o.block, f.block), append: cmp.Or(o.append, f.append),
		selected: cmp.Or(o.selected, f.selected), into: cmp.Or(o.into, f.into),
		sql: cmp.Or(o.sql, f.sql), digest: cmp.Or(o.digest, f.digest), json: cmp.Or(o.json, f.json),
	}
}
