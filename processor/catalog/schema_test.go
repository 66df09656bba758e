package catalog

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

const schemaFile = "../../testdata/schema/catalogue.schema.json"

// TestSchemaIsTheOneCommitted holds the copy that editors use to the tables. Run
// with -update to write it anew.
func TestSchemaIsTheOneCommitted(t *testing.T) {
	t.Parallel()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, committed) {
		t.Errorf("%s is not what the tables say: run this test with -update", schemaFile)
	}
}

// editor is what an editor knows of the language: the schema.
type editor struct{ *jsonschema.Schema }

func newEditor(tb testing.TB) editor {
	tb.Helper()
	text, err := Schema()
	if err != nil {
		tb.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("catalogue.schema.json", document); err != nil {
		tb.Fatal(err)
	}
	schema, err := compiler.Compile("catalogue.schema.json")
	if err != nil {
		tb.Fatal(err)
	}
	return editor{schema}
}

// inJSON is the tree of a file as an editor takes it; false: it holds what no
// JSON can, which the parser refuses too.
func inJSON(n *yaml.Node) (any, bool) {
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i]
			value, ok := inJSON(n.Content[i+1])
			if _, twice := object[name.Value]; !ok || twice || name.Kind != yaml.ScalarNode {
				return nil, false
			}
			object[name.Value] = value
		}
		return object, true
	case yaml.SequenceNode:
		array := make([]any, len(n.Content))
		for i, element := range n.Content {
			value, ok := inJSON(element)
			if !ok {
				return nil, false
			}
			array[i] = value
		}
		return array, true
	case yaml.ScalarNode:
		return scalarInJSON(n)
	}
	return nil, false
}

func scalarInJSON(n *yaml.Node) (any, bool) {
	switch n.ShortTag() {
	case "!!str", "!!timestamp": // dates are words to JSON
		return n.Value, true
	case "!!null":
		return nil, true
	case "!!bool":
		var v bool
		return v, n.Decode(&v) == nil
	case "!!int", "!!float":
		number, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(n.Value)))
		if err != nil { // such as 0x1F or .inf: a number, but not of JSON
			return n.Value, true
		}
		return number, true
	}
	return nil, false
}

// disagreement is how schema and parser differ about a file; empty: they don't.
func (e editor) disagreement(text []byte) string {
	root, err := parseYAML(text)
	if err != nil {
		return ""
	}
	value, ok := inJSON(root)
	if !ok {
		return ""
	}
	r := &reader{file: "a.yaml"}
	r.document(text)
	switch refused := e.Validate(value); {
	case refused != nil && len(r.faults) == 0:
		return "the schema refuses what the parser takes: " + refused.Error()
	case refused == nil && r.misshapen:
		return "the schema takes what is misshapen: " + r.faults[0].String()
	}
	return ""
}

// TestSchemaAgreesWithTheParser looks at every file there is, sound or broken,
// and at each element of their lists by itself.
func TestSchemaAgreesWithTheParser(t *testing.T) {
	t.Parallel()
	e := newEditor(t)
	var sound, misshapen int
	for _, name := range offerFiles(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range eachAlone(t, text) {
			if what := e.disagreement(part); what != "" {
				t.Errorf("%s: %s\n%s", name, what, part)
			}
			r := &reader{file: name}
			r.document(part)
			if r.misshapen {
				misshapen++
			} else if len(r.faults) == 0 {
				sound++
			}
		}
	}
	if sound < 100 || misshapen < 50 {
		t.Errorf("only %d sound and %d misshapen files were looked at", sound, misshapen)
	}
}

func offerFiles(tb testing.TB) []string {
	tb.Helper()
	var all []string
	for _, pattern := range []string{"../../testdata/catalogue/*/*.yaml", "../../testdata/bad-catalogue/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			tb.Fatalf("no offer files in %s: %v", pattern, err)
		}
		all = append(all, files...)
	}
	return all
}

// eachAlone is the file, and the file with each single element of its offers or
// boosts, so that one fault doesn't hide another.
func eachAlone(t *testing.T, text []byte) [][]byte {
	t.Helper()
	parts := [][]byte{text}
	root, err := parseYAML(text)
	if err != nil {
		return parts
	}
	for _, name := range []string{"offers", "boosts"} {
		elements := childOf(root, name)
		if elements == nil || elements.Kind != yaml.SequenceNode {
			continue
		}
		all := elements.Content
		for _, element := range all {
			elements.Content = []*yaml.Node{element}
			part, err := yaml.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, part)
		}
		elements.Content = all
	}
	return parts
}

// TestSchemaSaysWhatEveryKeyIs: an editor shows nothing else.
func TestSchemaSaysWhatEveryKeyIs(t *testing.T) {
	t.Parallel()
	d := definitions{}
	for _, top := range []schemaNode{partnerKeys.schema(d), programmeKeys.schema(d), campaignKeys.schema(d), levelsKeys.schema(d)} {
		if top["$ref"] == nil {
			t.Fatalf("%v refers to nothing", top)
		}
	}
	if len(d) < 20 {
		t.Fatalf("only %d tables are in the schema", len(d))
	}
	for name, table := range d {
		for key, value := range table["properties"].(schemaNode) {
			node := value.(schemaNode)
			if doc, _ := node["description"].(string); doc == "" {
				t.Errorf("key %q of %s says nothing", key, name)
			}
			wantSaid(t, name+"."+key, node["allOf"].([]schemaNode)[0])
		}
	}
}

// wantSaid looks for values without a description or a shape.
func wantSaid(t *testing.T, at string, node schemaNode) {
	t.Helper()
	if node["$ref"] != nil {
		return
	}
	ways, several := node["anyOf"].([]schemaNode)
	for _, way := range ways {
		wantSaid(t, at, way)
	}
	if several {
		return
	}
	if doc, _ := node["description"].(string); doc == "" {
		t.Errorf("a value of %s says nothing: %v", at, node)
	}
	shaped := func(key string) bool { return node[key] != nil }
	if !slices.ContainsFunc([]string{"pattern", "enum", "items", "additionalProperties"}, shaped) {
		t.Errorf("a value of %s has no shape: %v", at, node)
	}
	if items, ok := node["items"].(schemaNode); ok {
		wantSaid(t, at+"[]", items)
	}
}

// TestCrossbreeds puts the values of all files into each other's places: schema
// and parser agree on them, and each is either sound or said to be wrong.
func TestCrossbreeds(t *testing.T) {
	t.Parallel()
	e := newEditor(t)
	var roots []*yaml.Node
	var pool []yaml.Node
	for _, name := range offerFiles(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range eachAlone(t, text) {
			if root, err := parseYAML(part); err == nil {
				roots = append(roots, root)
				eachValue(root, func(n *yaml.Node) { pool = append(pool, *copied(n)) })
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		root := roots[rapid.IntRange(0, len(roots)-1).Draw(t, "file")]
		var places []*yaml.Node
		eachValue(root, func(n *yaml.Node) { places = append(places, n) })
		if len(places) == 0 {
			return
		}
		place := places[rapid.IntRange(0, len(places)-1).Draw(t, "place")]
		was := *place
		defer func() { *place = was }()
		*place = pool[rapid.IntRange(0, len(pool)-1).Draw(t, "value")]
		text, err := yaml.Marshal(root)
		if err != nil {
			t.Fatalf("the crossbreed can't be written: %v", err)
		}
		if what := e.disagreement(text); what != "" {
			t.Fatalf("%s\n%s", what, text)
		}
		if doc, faults := ReadDocument("a.yaml", "a.yaml", text); doc != nil {
			wantJudged(t, doc, faults)
		}
	})
}

// copied is a tree of its own: one put into itself would have no end.
func copied(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = copied(child)
	}
	return &c
}

// eachValue gives every value of a tree but its top.
func eachValue(n *yaml.Node, each func(*yaml.Node)) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		each(child)
		eachValue(child, each)
	}
}
