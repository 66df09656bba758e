package catalog

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"ristourne/processor/catalog/internal/foldertest"
	"ristourne/processor/sourcefile"
	"ristourne/rules"
	"ristourne/rules/offer"
)

var update = flag.Bool("update", false, "rewrite the expected texts under testdata")

const lyon = "../../testdata/catalogue/lyon"

// noon is when the warnings of these tests are given.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func loadAt(dir string, now time.Time) (*Loaded, error) {
	documents, faults, err := readFolder(dir)
	if err != nil {
		return nil, err
	}
	return Assemble(dir, documents, faults, now)
}

func TestSampleCatalogueIsSound(t *testing.T) {
	t.Parallel()
	loaded, err := loadAt(lyon, noon)
	if err != nil {
		t.Fatalf("load the sample catalogue:\n%v", err)
	}
	for _, w := range loaded.Warnings() {
		t.Errorf("the sample catalogue warns: %s", w)
	}
	partner := partnerVersion(t, loaded, "chaussures-berthet", 1)
	if want := mustInstant(t, "2026-06-01T00:00:00+02:00"); partner.Version.From != want {
		t.Errorf("second version of the shoe shop holds from %s, want midnight in Paris, %s", partner.Version.From, want)
	}
	if !strings.HasPrefix(partner.Version.ID, "2026-06-01.") {
		t.Errorf("version is called %q, want its date first", partner.Version.ID)
	}
	if first := partnerVersion(t, loaded, "chaussures-berthet", 0); !strings.HasPrefix(first.Version.ID, "initial.") {
		t.Errorf("version from ever is called %q", first.Version.ID)
	}
	bike := partnerVersion(t, loaded, "cycles-gerland", 0)
	if a, b := bike.Stores[0].Keys[0].Until, bike.Stores[0].Keys[1].From; a != b || a != mustInstant(t, "2026-03-01T00:00:00+01:00") {
		t.Errorf("the bike shop's contracts meet at %s and %s, want midnight of 1 March in Paris", a, b)
	}
}

func mustInstant(t *testing.T, text string) rules.Instant {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return rules.InstantOf(at)
}

func partnerVersion(t *testing.T, loaded *Loaded, id string, n int) offer.Partner {
	t.Helper()
	for _, p := range loaded.Catalogue.Partners {
		if p.ID != id {
			continue
		}
		if n == 0 {
			return p
		}
		n--
	}
	t.Fatalf("the catalogue has no such version of partner %s", id)
	return offer.Partner{}
}

// TestBadCatalogues loads each broken catalogue and compares everything that is
// said of it, carets and all, with the want.txt beside it. Run with -update to
// write what is said now.
func TestBadCatalogues(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("../../testdata/bad-catalogue/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no broken catalogues found: %v", err)
	}
	for _, dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got := strings.NewReplacer(dir+"/", "", dir, "FOLDER").Replace(said(t, dir))
			want := filepath.Join(dir, "want.txt")
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			expected, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(expected) {
				t.Errorf("said:\n%s\nwant:\n%s", got, expected)
			}
		})
	}
}

// said is everything that loading dir says, faults or warnings.
func said(t *testing.T, dir string) string {
	t.Helper()
	loaded, err := loadAt(dir, noon)
	var text strings.Builder
	var faults *sourcefile.Faults
	switch {
	case errors.As(err, &faults):
		err = faults.Render(&text)
	case err == nil && len(loaded.Warnings()) > 0:
		text.WriteString("warnings\n")
		err = sourcefile.Render(&text, loaded.Warnings())
	case err == nil:
		t.Fatal("nothing is said of this catalogue")
	}
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// unwritable are the codes that no file brings about: the language has no words
// for what they refuse, or refuses it first.
var unwritable = []offer.Code{
	offer.FaultID, offer.FaultIDSeparator, offer.FaultVersionName, offer.FaultCurrency, offer.FaultZone, offer.FaultTooMany,
	offer.FaultRounding, offer.FaultHorizon, offer.FaultCeiling, offer.FaultHoldout, offer.FaultSalt, offer.FaultHoldoutAndNone,
	offer.FaultPointsCode, offer.FaultPointsDecimals, offer.FaultCycle, offer.FaultNegative, offer.FaultKeyLong, offer.FaultKeyBlank,
	offer.FaultRewardKind, offer.FaultRewardForm, offer.FaultRewardBoth, offer.FaultPerFull,
	offer.FaultTierCount, offer.FaultCategoryCount, offer.FaultCategory,
	offer.FaultAmount, offer.FaultDays, offer.FaultTimes, offer.FaultWeekday, offer.FaultHours, offer.FaultChannel, offer.FaultMCC, offer.FaultCountry,
	offer.FaultPeriod, offer.FaultActivated, offer.FaultBoostOp, offer.FaultFactor, offer.FaultCapPeriod, offer.FaultCapDays, offer.FaultCapAndCount,
	offer.FaultCommissionOn, offer.FaultCommissionForm, offer.FaultOfferCommission, offer.FaultFunding, offer.FaultSponsorBoth, offer.FaultCampaignBudget,
}

// TestEveryCodeHasWords: each code has words here, which a broken catalogue shows,
// or no file can bring it about.
func TestEveryCodeHasWords(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("../../testdata/bad-catalogue/*")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[offer.Code]string{}
	for _, dir := range folders {
		documents, faults, err := readFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		c := newChecker(documents, faults, noon)
		_, _ = c.assemble(dir, documents, faults)
		for _, f := range c.faults {
			shown[f.code] = f.message
		}
	}
	for code := offer.FaultID; code < offer.CodeCount; code++ {
		worded := wordings[code].text != "" || wordings[code].say != nil
		if worded == slices.Contains(unwritable, code) {
			t.Errorf("code %d of the rules has words: %t; give it some, or say that no file brings it about", code, worded)
		}
		if text, is := shown[code]; is != worded {
			t.Errorf("code %d of the rules has words: %t, and a broken catalogue shows it: %t (%s)", code, worded, is, text)
		} else if strings.Contains(text, "%!") {
			t.Errorf("code %d of the rules: %s", code, text)
		}
	}
}

// TestWhatCannotBeReadIsToldOnce breaks each value of the sample catalogue, one at
// a time: nothing more is said than that it can't be read.
func TestWhatCannotBeReadIsToldOnce(t *testing.T) {
	t.Parallel()
	documents, faults, err := readFolder(lyon)
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	broken := 0
	for i, d := range documents {
		root, err := parseYAML(d.Text)
		if err != nil {
			t.Fatal(err)
		}
		eachValue(root, func(n *yaml.Node) {
			was := *n
			defer func() { *n = was }()
			*n = yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle}
			if was.Kind == yaml.ScalarNode {
				*n = yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.SequenceNode}}}
			}
			text, err := yaml.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			doc, unreadable := ReadDocument(d.File, d.ShownAs, text)
			if doc == nil || len(unreadable) == 0 {
				return
			}
			broken++
			all := slices.Clone(documents)
			all[i] = doc
			_, err = Assemble(lyon, all, slices.Clone(unreadable), noon)
			var told *sourcefile.Faults
			if !errors.As(err, &told) || len(told.List) != len(unreadable) {
				t.Errorf("%s:%d: %v\nfor\n%v", d.File, was.Line, err, unreadable)
			}
		})
	}
	if broken < 500 {
		t.Errorf("only %d values were broken", broken)
	}
}

// A page that shows the language to a newcomer shows this.
func TestExampleParses(t *testing.T) {
	t.Parallel()
	loaded := folder(t, map[string]string{"cafe.yaml": `partner: cafe-du-coin
name: Café du Coin
commission: 8%
stores:
  - {id: bastille, zone: Europe/Paris, keys: [{mid: "0012345678", acquirer: "30004"}]}
offers:
  - id: everyday
    from: 2026-01-01
    reward: 3%
    caps: [{per: purchase, amount: 15 EUR}, {per: month, amount: 40 EUR}]
`})
	p := partnerVersion(t, loaded, "cafe-du-coin", 0)
	o := p.Offers[0]
	if p.Commission.RateMillionths != 80_000 || o.Reward.Form != offer.RateReward || o.Reward.RateMillionths != 30_000 ||
		o.Caps[0] != (offer.Cap{Per: offer.PerPurchase, AmountMinor: 1500}) || o.Caps[1] != (offer.Cap{Per: offer.PerMonth, AmountMinor: 4000}) ||
		o.From != (offer.LocalTime{Year: 2026, Month: 1, Day: 1}) || o.Group != offer.DefaultGroup || o.Currency != p.Currency ||
		p.Stores[0].Keys[0] != (offer.Key{MID: "0012345678", AcquirerID: "30004", From: rules.MinInstant, Until: rules.MaxInstant}) {
		t.Errorf("the example means %+v", p)
	}
}

// writeLarge writes a catalogue of 5,000 partners with 20 stores and 10 offers
// each.
func writeLarge(tb testing.TB) string {
	dir := tb.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	write("programme.yaml", programmeText)
	for i := range 5000 {
		var text strings.Builder
		fmt.Fprintf(&text, "partner: shop-%d\nname: Boutique numéro %d\ncommission: {percent: 8%%, fixed: 0.10 EUR}\nstores:\n", i, i)
		for j := range 20 {
			fmt.Fprintf(&text, "  - {id: store-%d, name: Magasin %d, keys: [{mid: \"%08d%02d\", acquirer: \"30004\"}]}\n", j, j, i, j)
		}
		text.WriteString("offers:\n")
		for j := range 10 {
			fmt.Fprintf(&text, "  - id: offer-%d\n    name: Offre %d\n    from: 2026-01-01\n    reward: %d%%\n    min_spend: 20 EUR\n    group: g%d\n    caps: [{per: purchase, amount: 15 EUR}, {per: month, amount: 40 EUR}]\n", j, j, j%5+1, j)
		}
		write(fmt.Sprintf("shop-%d.yaml", i), text.String())
	}
	return dir
}

// BenchmarkLoad loads 100,000 stores and 50,000 offers; kept-MB is what the
// loaded catalogue and its snapshot keep in memory.
func BenchmarkLoad(b *testing.B) {
	dir := writeLarge(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var loaded *Loaded
	for b.Loop() {
		var err error
		if loaded, err = Load(dir); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "kept-MB")
	runtime.KeepAlive(loaded)
}

// folder loads a catalogue of the given files beside a programme.
func folder(t testing.TB, files map[string]string) *Loaded {
	t.Helper()
	loaded, err := Load(foldertest.Write(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

const programmeText = foldertest.Programme
