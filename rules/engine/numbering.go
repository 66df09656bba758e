package engine

import (
	"slices"
)

// numbering numbers what a decision meets, in the order in which it is met. A few
// are found faster one by one; thousands, such as the partners of one account,
// must not cost thousands of comparisons each.
type numbering[K comparable] struct {
	few  []K
	many map[K]int32
	used int
}

const fewNumbered = 8

// of is the number of k, the next one where it is new.
func (p *numbering[K]) of(k K) (i int, known bool) {
	if i := slices.Index(p.few, k); i >= 0 {
		return i, true
	}
	if p.used >= fewNumbered {
		if i, ok := p.many[k]; ok {
			return int(i), true
		}
		if p.many == nil {
			p.many = make(map[K]int32)
		}
		p.many[k] = int32(p.used)
	} else {
		p.few = append(p.few, k)
	}
	p.used++
	return p.used - 1, false
}

// find is the number that k was given; -1: none.
func (p *numbering[K]) find(k K) int {
	if i := slices.Index(p.few, k); i >= 0 {
		return i
	}
	if i, ok := p.many[k]; ok {
		return int(i)
	}
	return -1
}

// each calls do with all that was numbered, in no order.
func (p *numbering[K]) each(do func(k K, number int)) {
	for i, k := range p.few {
		do(k, i)
	}
	for k, i := range p.many {
		do(k, int(i))
	}
}

func (p *numbering[K]) reset() {
	p.few, p.used = p.few[:0], 0
	clear(p.many)
}
