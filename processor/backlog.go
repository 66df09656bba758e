package processor

import (
	"sync"
)

// backlog knows how old the oldest record is that was read and is not
// committed. One goroutine reads and saves, another delivers, a third asks.
type backlog struct {
	mutex sync.Mutex
	open  int64   // Kafka milliseconds of the first record of the open window; 0: it has none
	saved []int64 // the same of each saved batch that is not delivered, oldest first
}

// reads is told the first record of a window.
func (b *backlog) reads(kafkaMillis int64) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.open = kafkaMillis
}

// saves is told that the window became a batch.
func (b *backlog) saves() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.saved, b.open = append(b.saved, b.open), 0
}

// delivers is told that the oldest batches are committed.
func (b *backlog) delivers(batches int) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.saved = b.saved[:copy(b.saved, b.saved[batches:])]
}

// oldest is 0 where everything that was read is committed.
func (b *backlog) oldest() int64 {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, millis := range b.saved {
		if millis != 0 { // a batch may have moved past control records alone
			return millis
		}
	}
	return b.open
}

// undelivered is how many saved batches are not committed.
func (b *backlog) undelivered() int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return len(b.saved)
}
