package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
)

// What an editor is told of the language: a JSON Schema of the very tables that
// the parser reads by. It knows shapes (keys, words, how an amount is written);
// what a value must be beside others, `offers validate` tells.

// schemaNode is one schema of JSON Schema, draft 7: what editors know best.
type schemaNode map[string]any

// definitions are the schemas of mappings by name, so that what is used twice is
// written once.
type definitions map[string]schemaNode

// Schema is the JSON Schema of offer files, for editors: completion and faults
// while a file is written.
func Schema() ([]byte, error) {
	d := definitions{}
	top := schemaNode{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"title":       "Ristourne offer file",
		"description": "One version of a programme, a partner, a campaign or the levels of members.",
		"oneOf": []schemaNode{
			partnerKeys.schema(d), programmeKeys.schema(d), campaignKeys.schema(d), levelsKeys.schema(d),
		},
		"definitions": d,
	}
	text, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of offer files: %w", err)
	}
	return append(text, '\n'), nil
}

func (s scalar[V]) schema(definitions) schemaNode {
	node := schemaNode{"description": s.form}
	switch {
	case s.choice != nil:
		for k, v := range s.choice {
			node[k] = v
		}
	case s.digits != nil:
		node["type"], node["pattern"] = []string{"string", "integer"}, s.pattern.String()
		node["minimum"], node["maximum"] = s.digits[0], s.digits[1]
	case s.bare:
		node["type"], node["pattern"] = []string{"string", "number", "boolean"}, s.pattern.String()
	default:
		node["type"], node["pattern"] = "string", s.pattern.String()
	}
	return node
}

func (l list[V]) schema(d definitions) schemaNode {
	node := schemaNode{"description": l.what, "type": "array", "maxItems": l.max, "items": l.of.schema(d)}
	if l.filled {
		node["minItems"] = 1
	}
	return node
}

func (o oneOrMany[V]) schema(d definitions) schemaNode {
	return schemaNode{"anyOf": []schemaNode{o.of.schema(d), o.list.schema(d)}}
}

func (t table[V]) schema(d definitions) schemaNode {
	return schemaNode{
		"description": t.what, "type": "object", "minProperties": 1, "maxProperties": t.max,
		"propertyNames": schemaNode{"pattern": t.word.pattern.String()}, "additionalProperties": t.of.schema(d),
	}
}

// schema names the table and refers to it. Tables of one name are one table.
func (m mapping[T]) schema(d definitions) schemaNode {
	name := strings.ReplaceAll(m.what, " ", "-")
	if _, done := d[name]; !done {
		d[name] = nil // whoever meets it in itself refers to it
		d[name] = m.define(d)
	}
	return schemaNode{"$ref": "#/definitions/" + name}
}

func (m mapping[T]) define(d definitions) schemaNode {
	properties, required := schemaNode{}, []string{}
	for _, f := range m.fields {
		// Beside a $ref nothing else counts, in draft 7: the key's own doc goes around it.
		properties[f.name] = schemaNode{"description": f.doc, "allOf": []schemaNode{f.schema(d)}}
		if f.required {
			required = append(required, f.name)
		}
	}
	node := schemaNode{"description": m.what, "type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		node["required"] = required
	}
	var choices []schemaNode
	for _, c := range m.choices {
		choices = append(choices, c.schema())
	}
	if choices != nil {
		node["allOf"] = choices
	}
	return node
}

func (c choice) schema() schemaNode {
	var ways []schemaNode
	for _, k := range c.keys {
		ways = append(ways, schemaNode{"required": []string{k}})
	}
	if c.one {
		return schemaNode{"oneOf": ways}
	}
	return schemaNode{"anyOf": ways}
}

func (e either[V]) schema(d definitions) schemaNode {
	return schemaNode{"anyOf": []schemaNode{e.short.schema(d), e.long.schema(d)}}
}

func (w ifWritten[V]) schema(d definitions) schemaNode { return w.of.schema(d) }
