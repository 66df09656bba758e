package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	codecGzip   = 1
	codecSnappy = 2
	codecLZ4    = 3
	codecZstd   = 4

	// maxBlockBytes bounds one decompressed record batch: a few kilobytes can be
	// made to expand without end.
	maxBlockBytes = 64 << 20
	// keptBlockBytes: a block that grew larger for one batch is not kept.
	keptBlockBytes = 4 << 20
)

var errBlockSize = errors.New("the decompressed batch is too large: let producers write smaller batches")

// arena holds the decompressed record batches that records of the present Batch
// point into, and the decoders, all reused.
type arena struct {
	used  [][]byte // in the order of their batches
	free  [][]byte
	limit int // bytes of one block, maxBlockBytes unless a test asks for less

	source bytes.Reader
	gzip   *gzip.Reader
	lz4    *lz4.Reader
	zstd   *zstd.Decoder
}

// release makes all blocks free; the last one stays if its batch isn't read to
// its end.
func (a *arena) release(keepLast bool) {
	kept := len(a.used)
	if keepLast {
		kept--
	}
	for i, block := range a.used {
		if i < kept && cap(block) <= keptBlockBytes {
			a.free = append(a.free, block)
		}
	}
	a.used = append(a.used[:0], a.used[max(kept, 0):]...)
}

// decompress gives the records of a batch in a block that stays until release.
func (a *arena) decompress(codec uint16, compressed []byte) ([]byte, error) {
	var block []byte
	if n := len(a.free); n > 0 {
		block, a.free = a.free[n-1][:0], a.free[:n-1]
	}
	block, err := a.decode(codec, block, compressed)
	if err != nil {
		return nil, err
	}
	a.used = append(a.used, block)
	return block, nil
}

func (a *arena) decode(codec uint16, block, compressed []byte) ([]byte, error) {
	orDefault(&a.limit, maxBlockBytes)
	a.source.Reset(compressed)
	switch codec {
	case codecGzip:
		if a.gzip == nil {
			a.gzip = new(gzip.Reader)
		}
		if err := a.gzip.Reset(&a.source); err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return a.readBlock(block, a.gzip, len(compressed))
	case codecSnappy:
		return a.decodeSnappy(block, compressed)
	case codecLZ4:
		return a.decodeLZ4(block, compressed)
	case codecZstd:
		if a.zstd == nil {
			var err error
			if a.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(a.limit))); err != nil {
				return nil, fmt.Errorf("zstd: %w", err)
			}
		}
		block, err := a.zstd.DecodeAll(compressed, block)
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return block, nil
	default:
		return nil, fmt.Errorf("unknown compression %d", codec)
	}
}

// readBlock appends all that r has.
func (a *arena) readBlock(block []byte, r io.Reader, compressedSize int) ([]byte, error) {
	for {
		if len(block) == cap(block) {
			grown := make([]byte, len(block), max(2*cap(block), 4*compressedSize, 4096))
			copy(grown, block)
			block = grown
		}
		n, err := r.Read(block[len(block):cap(block)])
		block = block[:len(block)+n]
		switch {
		case len(block) > a.limit:
			return nil, errBlockSize
		case errors.Is(err, io.EOF):
			return block, nil
		case err != nil:
			return nil, fmt.Errorf("decompress: %w", err)
		}
	}
}

// xerialMagic begins the framing that Java producers put around snappy blocks:
// the magic, two versions of four bytes, then blocks with their size before them.
// Other producers write one bare block.
const (
	xerialMagic      = "\x82SNAPPY\x00"
	xerialHeaderSize = len(xerialMagic) + 8
)

func (a *arena) decodeSnappy(block, compressed []byte) ([]byte, error) {
	if !bytes.HasPrefix(compressed, []byte(xerialMagic)) {
		return a.appendSnappy(block, compressed)
	}
	d := decoder{rest: compressed}
	d.bytes(xerialHeaderSize)
	for len(d.rest) > 0 {
		chunk := d.bytes(int(d.int32()))
		if d.short {
			return nil, errors.New("snappy: the framing ends too early")
		}
		var err error
		if block, err = a.appendSnappy(block, chunk); err != nil {
			return nil, err
		}
	}
	return block, nil
}

func (a *arena) appendSnappy(block, chunk []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(chunk)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	size := len(block) + n
	if size > a.limit {
		return nil, errBlockSize
	}
	if size > cap(block) {
		grown := make([]byte, len(block), max(size, min(2*cap(block), a.limit)))
		copy(grown, block)
		block = grown
	}
	if _, err := snappy.Decode(block[len(block):size:size], chunk); err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	return block[:size], nil
}
