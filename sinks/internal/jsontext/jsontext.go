// Package jsontext writes the texts of the values that sinks put into topics.
package jsontext

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// AppendString appends a JSON string. Bytes that are no UTF-8 become U+FFFD,
// as JSON has no way to write them.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0 // s[from:at] needs no escape and is not yet written
	for at := 0; at < len(s); {
		c := s[at]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[at:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[from:at]...)
				dst = append(dst, `\ufffd`...)
				from = at + 1
			}
			at += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			at++
			continue
		}
		dst = append(dst, s[from:at]...)
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		at++
		from = at
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
