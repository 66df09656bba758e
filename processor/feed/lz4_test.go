package feed

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
)

func lz4Frame(tb testing.TB, content []byte, options ...lz4.Option) []byte {
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(options...); err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func TestEveryKindOfLZ4FrameIsRead(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("a card event, and another "), 20_000)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(content[100_000:200_000]); err != nil { // blocks that are stored as they are
		t.Fatal(err)
	}
	linked := lz4Frame(t, content)
	linked[4] &^= lz4Independent
	linked[6] = 0x1d // checksum of the header without that bit
	frames := map[string][]byte{
		"as the library writes it": lz4Frame(t, content),
		"small blocks":             lz4Frame(t, content, lz4.BlockSizeOption(lz4.Block64Kb)),
		"block checksums":          lz4Frame(t, content, lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true)),
		"no checksum":              lz4Frame(t, content, lz4.ChecksumOption(false)),
		"with its size":            lz4Frame(t, content, lz4.SizeOption(uint64(len(content)))),
		"linked blocks":            linked,
	}
	for name, frame := range frames {
		var a arena
		got, err := a.decompress(codecLZ4, frame)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(content), err)
		}
		for _, n := range []int{0, 3, 5, 6, 7, 10, 20, len(frame) / 2} {
			if _, err := a.decompress(codecLZ4, frame[:n]); err == nil {
				t.Errorf("%s: cut off at %d was taken for whole", name, n)
			}
		}
		if _, err := (&arena{limit: len(content) - 1}).decompress(codecLZ4, frame); !errors.Is(err, errBlockSize) {
			t.Errorf("%s: over the limit: %v", name, err)
		}
	}
}

// Producers announce blocks of 4 MiB and fill a fraction of them; a shard would need
// gigabytes if its buffers were as large as announced.
func TestLZ4BuffersAreAsLargeAsTheirContent(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("a card event, and another "), 1000)
	var a arena
	got, err := a.decompress(codecLZ4, lz4Frame(t, content, lz4.BlockSizeOption(lz4.Block4Mb)))
	if err != nil || cap(got) > 16*len(content) {
		t.Errorf("a buffer of %d bytes for %d, %v", cap(got), len(content), err)
	}
}
