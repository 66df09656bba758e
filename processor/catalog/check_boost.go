package catalog

// given is the rate of a boost that sets or adds one.
func (b *boostDoc) given() *rate {
	if b.set != nil {
		return b.set
	}
	return b.add
}

// verb is what the boost does, as its key says it.
func (b *boostDoc) verb() string {
	switch {
	case b.set != nil:
		return "set"
	case b.add != nil:
		return "add"
	}
	return "multiply"
}
