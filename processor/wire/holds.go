package wire

// HoldsCardNumber reports whether a text holds a card number, as free text of a
// record must not: for whoever else keeps or shows what people write.
func HoldsCardNumber(s string) bool { return holdsCardNumber(s) }
