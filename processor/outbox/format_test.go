package outbox

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"testing"

	"ristourne/rules"
)

var update = flag.Bool("update", false, "write the blobs of a new format; those of the ones before must stay as they are")

// TestFormatIsStable holds the bytes that lie in Redis while a processor of one
// version takes a shard over from another.
func TestFormatIsStable(t *testing.T) {
	t.Parallel()
	var full rules.Decision
	fill(reflect.ValueOf(&full).Elem())
	for name, d := range map[string]*rules.Decision{"usual": sample(3), "full": &full} {
		path := fmt.Sprintf("testdata/format%d-%s.blob", format, name)
		blob := Encode(nil, d)
		if *update {
			if err := os.WriteFile(path, blob, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("a new format has no blob yet, write it with -update: %v", err)
		}
		if !bytes.Equal(blob, want) {
			t.Errorf("%s: %d bytes are not those of format %d, which are %d: a column that was added must say since=%d",
				name, len(blob), format, len(want), format+1)
		}
	}
}

// TestOlderFormats reads what an older version of the program has decided and not
// booked: what it didn't know of is zero.
func TestOlderFormats(t *testing.T) {
	t.Parallel()
	for of := oldestFormat; of <= format; of++ {
		blob, err := os.ReadFile(fmt.Sprintf("testdata/format%d-usual.blob", of))
		if err != nil {
			t.Fatal(err)
		}
		var d rules.Decision
		if err := Decode(blob, &d); err != nil {
			t.Errorf("format %d: %v", of, err)
		} else if want := sample(3); !equal(&d, want) {
			t.Errorf("format %d is read as\n%+v\nwant\n%+v", of, d, want)
		}
	}
}
