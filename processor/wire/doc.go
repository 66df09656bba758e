// Package wire turns the bytes of the input topics into rules.Event,
// rules.Fact, rules.Referral and rules.Result, or into a Fault that says which rule a record
// broke and in which field.
//
// A record is read in two steps. The lexer passes once over the bytes, checks
// that they are JSON and notes where each known field lies; then the fields
// are judged in the order of their table. So a record that is no JSON is
// always called that, and of several broken rules the same one is named
// whatever the order of the fields (a card number comes before all others).
//
// # How records are read
//
// README.md, "Card events" and below, has the fields. Beside that:
//
//   - A record is one JSON object by RFC 8259 with nothing but white space
//     around it, nested 64 deep at most, in valid UTF-8. An escaped surrogate
//     without its pair is refused (reason utf8), unknown fields included: it
//     can't be written as UTF-8, in which ids are compared.
//   - A name twice in one object is a fault wherever the object lies and
//     whether the name is known or not; names are compared unescaped.
//   - Unknown names are ignored. So are, in a fact, the fields that belong to
//     other types of fact: they are neither checked nor part of its content.
//   - Lengths count characters (Unicode code points). Ids of records,
//     accounts, purchases and cards have 1 to 64, other ids and texts up to 256.
//     An optional text that is empty counts as absent; a needed one is a fault.
//   - An integer is written without fraction and exponent: 10.0 and 1e3 are of
//     the wrong type. -0 is 0.
//   - quantity is any JSON number of up to 32 characters with an exponent
//     within -999 to 999. Content compares it by value: 1, 1.0 and 10e-1 are
//     the same.
//   - Instants are RFC 3339: a real date, "T" and "Z" in either case, seconds
//     0 to 59 (a leap second is refused: it has no place in a count of seconds
//     that all parts share), a point and 1 to 9 digits of fraction or none.
//     The instant lies in the years 0000 to 9999 in UTC, too.
//   - as_of and cycle are texts, kept as written.
//   - An empty list of items is the same as none. An element of a list is
//     never null.
//   - Currencies are those of ISO 4217 in upper case, countries those of ISO
//     3166-1 in upper case and XK (Kosovo: the card networks' use of a code
//     that the standard leaves to its users).
//   - The bytes of a faulty record may be kept only if it is whole JSON and
//     no text, name or number in it, unknown fields and ids included, looks
//     like a card number.
package wire
