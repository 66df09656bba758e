package processor

// arena gives out values that stay where they are until it is reset, and whatever
// memory their last use had: what was grown once is used again for every window.
type arena[T any] struct {
	chunks [][]T
	taken  int
}

// arenaChunk is how many values are made at a time.
const arenaChunk = 64

func (a *arena[T]) take() *T {
	chunk, at := a.taken/arenaChunk, a.taken%arenaChunk
	if chunk == len(a.chunks) {
		a.chunks = append(a.chunks, make([]T, arenaChunk))
	}
	a.taken++
	return &a.chunks[chunk][at]
}

// giveBack takes back the value that was given out last.
func (a *arena[T]) giveBack() { a.taken-- }

func (a *arena[T]) reset() { a.taken = 0 }
