// Package sepa is what the Single Euro Payments Area asks of texts and account
// numbers: the letters that every bank takes, and numbers that can be.
package sepa

import (
	"strings"
	"unicode"
)

// isLetter reports whether every bank of SEPA takes the letter: the basic
// Latin set of the European Payments Council's EPC217-08.
func isLetter(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	}
	return strings.ContainsRune("/-?:().,'+ ", r)
}

// Letters writes a text in the basic Latin letters of EPC217-08: others are
// replaced as its conversion table has them (é by e, ß by s, & by +), and what
// has no place in it by a full stop. Accents that stand by themselves are left
// out.
func Letters(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !isLetter(r) }) < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		switch replacement, known := replacementOf[r]; {
		case isLetter(r):
			b.WriteRune(r)
		case known:
			b.WriteString(replacement)
		case unicode.Is(unicode.Mn, r):
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteByte('.')
		}
	}
	return b.String()
}

// replacementOf are the letters of Europe's languages that have another
// replacement than a full stop.
var replacementOf = replacements(
	// Latin: each of the letters before the colon by what is after it.
	"ÀÁÂÃÄÅĀĂĄǍǺÆǼ:A àáâãäåāăąǎǻæǽ:a ÇĆĈĊČ:C çćĉċč:c ÐĎĐ:D ðďđ:d ÈÉÊËĒĔĖĘĚ:E èéêëēĕėęě:e ĜĞĠĢǤǦ:G ĝğġģǥǧ:g ĤĦ:H ĥħ:h "+
		"ÌÍÎÏĨĪĬĮİ:I ìíîïĩīĭįı:i Ĵ:J ĵ:j Ķ:K ķĸ:k ĹĻĽĿŁ:L ĺļľŀł:l ÑŃŅŇŊ:N ñńņňŉŋ:n ÒÓÔÕÖØŌŎŐǾŒ:O òóôõöøōŏőǿœ:o "+
		"ŔŖŘ:R ŕŗř:r ŚŜŞŠȘẞ:S śŝşšșß:s ŢŤŦȚÞ:T ţťŧțþ:t ÙÚÛÜŨŪŬŮŰŲ:U ùúûüũūŭůűų:u Ŵ:W ŵ:w ÝŶŸ:Y ýŷÿ:y ŹŻŽ:Z źżž:z Ĳ:I ĳ:i",
	// Greek.
	"ΑΆ:A αά:a Β:V β:v Γ:G γ:g Δ:D δ:d ΕΈ:E εέ:e Ζ:Z ζ:z ΗΉΙΊΪ:I ηήιίϊΐ:i Θ:TH θ:th Κ:K κ:k Λ:L λ:l Μ:M μ:m Ν:N ν:n "+
		"Ξ:X ξ:x ΟΌΩΏ:O οόωώ:o Π:P π:p Ρ:R ρ:r Σ:S σς:s Τ:T τ:t ΥΎΫ:Y υύϋΰ:y Φ:F φ:f Χ:CH χ:ch Ψ:PS ψ:ps",
	// Cyrillic, as Bulgarian has it, and what its neighbours have beside it.
	"АЪ:A аъ:a Б:B б:b В:V в:v ГҐ:G гґ:g Д:D д:d ЕЁЭЄ:E еёэє:e Ж:ZH ж:zh З:Z з:z ИІЇЫ:I иіїы:i ЙЬ:Y йь:y К:K к:k Л:L л:l "+
		"М:M м:m Н:N н:n О:O о:o П:P п:p Р:R р:r С:S с:s Т:T т:t У:U у:u Ф:F ф:f Х:H х:h Ц:TS ц:ts Ч:CH ч:ch Ш:SH ш:sh "+
		"Щ:SHT щ:sht Ю:YU ю:yu Я:YA я:ya Ј:J ј:j Љ:LJ љ:lj Њ:NJ њ:nj Ћ:C ћ:c Ђ:DJ ђ:dj Џ:DZ џ:dz Ѓ:G ѓ:g Ќ:K ќ:k Ѕ:DZ ѕ:dz",
	// Signs.
	"&:+ €:E _–—‐‑‒―−:- `´‘’‚‛ʼ:' ;:,",
)

func replacements(tables ...string) map[rune]string {
	all := map[rune]string{}
	for entry := range strings.FieldsSeq(strings.Join(tables, " ")) {
		letters, by, _ := strings.Cut(entry, ":")
		for _, r := range letters {
			all[r] = by
		}
	}
	return all
}
