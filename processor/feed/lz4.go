package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// An LZ4 frame is a header, then blocks with their size before them, then a size
// of 0 and perhaps a checksum. Kafka's batch checksum covers all of it, so that of
// the frame, which costs as much as decompressing, is passed over.
const (
	lz4Magic = "\x04\x22\x4d\x18"

	lz4Version       = 0x40
	lz4VersionMask   = 0xc0
	lz4Independent   = 0x20
	lz4BlockChecksum = 0x10
	lz4ContentSize   = 0x08
	lz4Dictionary    = 0x01

	lz4StoredBlock = 1 << 31 // bit of the size: the block is not compressed
)

var errLZ4 = errors.New("lz4: the frame is broken")

// decodeLZ4 appends what the frame holds.
func (a *arena) decodeLZ4(block, compressed []byte) ([]byte, error) {
	d := decoder{rest: compressed}
	if string(d.bytes(len(lz4Magic))) != lz4Magic {
		return nil, errLZ4
	}
	descriptor := d.bytes(2)
	if d.short || descriptor[0]&lz4VersionMask != lz4Version || descriptor[0]&lz4Dictionary != 0 {
		return nil, errLZ4
	}
	flags, maxBlock := descriptor[0], lz4MaxBlock(descriptor[1])
	if flags&lz4Independent == 0 {
		return a.decodeLinkedLZ4(block, compressed)
	}
	if flags&lz4ContentSize != 0 {
		d.bytes(8)
	}
	d.bytes(1) // checksum of the header
	for {
		size := d.bytes(4)
		if d.short || maxBlock == 0 {
			return nil, errLZ4
		}
		n := binary.LittleEndian.Uint32(size)
		if n == 0 {
			return block, nil
		}
		chunk := d.bytes(int(n &^ lz4StoredBlock))
		if flags&lz4BlockChecksum != 0 {
			d.bytes(4)
		}
		if d.short || len(chunk) > maxBlock {
			return nil, errLZ4
		}
		if len(block)+len(chunk) > a.limit {
			return nil, errBlockSize
		}
		if n&lz4StoredBlock != 0 {
			block = append(block, chunk...)
			continue
		}
		var err error
		if block, err = appendLZ4(block, chunk, maxBlock); err != nil {
			return nil, err
		}
		if len(block) > a.limit {
			return nil, errBlockSize
		}
	}
}

// appendLZ4 appends one decompressed block. Its size isn't told: it is tried with
// the room there is, and with twice as much until it fits, since most producers
// announce 4 MiB and write a fraction of it.
func appendLZ4(block, chunk []byte, maxBlock int) ([]byte, error) {
	room := min(maxBlock, max(cap(block)-len(block), 4*len(chunk)))
	for {
		block = slices.Grow(block, room)
		n, err := lz4.UncompressBlock(chunk, block[len(block):len(block)+room])
		if err == nil {
			return block[:len(block)+n], nil
		}
		if room == maxBlock {
			return nil, fmt.Errorf("lz4: %w", err)
		}
		room = min(maxBlock, 2*room)
	}
}

// decodeLinkedLZ4 is for frames whose blocks refer to the ones before them, which
// no usual producer writes.
func (a *arena) decodeLinkedLZ4(block, compressed []byte) ([]byte, error) {
	if a.lz4 == nil {
		a.lz4 = lz4.NewReader(nil)
	}
	a.lz4.Reset(&a.source)
	return a.readBlock(block, a.lz4, len(compressed))
}

// lz4MaxBlock is the largest block the frame announces, decompressed; 0 if the
// announcement is broken.
func lz4MaxBlock(descriptor byte) int {
	code := descriptor >> 4 & 7
	if code < 4 {
		return 0
	}
	return 1 << (8 + 2*code) // 64 KiB, 256 KiB, 1 MiB, 4 MiB
}
