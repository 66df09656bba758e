package wire

// Reasons of a Fault: the codes by which dead letters are counted and found.
const (
	ReasonEmpty         = "empty"          // no value at all, a tombstone
	ReasonTooLarge      = "too_large"      // more than MaxBytes
	ReasonJSON          = "json"           // not one JSON object
	ReasonDepth         = "depth"          // nested deeper than maxDepth
	ReasonUTF8          = "utf8"           // a text that is no UTF-8
	ReasonDuplicateName = "duplicate_name" // a name twice in one object
	ReasonMissing       = "missing"        // a needed field is absent or null
	ReasonType          = "type"           // a value of the wrong JSON type
	ReasonLength        = "length"         // a text too short or too long, a list too long
	ReasonRange         = "range"          // a number out of its bounds
	ReasonFormat        = "format"         // a text with characters that don't belong
	ReasonEnum          = "enum"           // a word that is none of those allowed
	ReasonCurrency      = "currency"       // no ISO 4217 code
	ReasonTime          = "time"           // no RFC 3339 instant
	ReasonAhead         = "ahead"          // an instant ahead of the record's Kafka timestamp
	ReasonCardNumber    = "card_number"    // a card number where none may be
	ReasonKey           = "key"            // the Kafka key is not the account
)

// Fault says which rule a record broke. The decoder reuses it: it is valid
// until the next record is decoded.
type Fault struct {
	Reason string // one of the Reason codes
	// Field is the path of the field, "merchant.id" or "items[3].amount_minor";
	// "(key)": the record's key; empty: the record as a whole.
	Field string
	// Detail tells a person what is wrong and what to do. It never holds any
	// content of the record.
	Detail string
	// KeepBytes allows the record's value to be kept. It is false where the
	// record was not read whole (too large, no JSON) or where something in it
	// looks like a card number: then only size and hash may be kept.
	KeepBytes bool
}

func (f *Fault) String() string {
	if f.Field == "" {
		return f.Reason + ": " + f.Detail
	}
	return f.Reason + ": " + f.Field + ": " + f.Detail
}
