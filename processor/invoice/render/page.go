package render

import (
	"bytes"
	_ "embed"
	"html/template"

	"ristourne/processor/invoice"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page prints a document as HTML that needs nothing else, on screen and on paper.
func page(d *invoice.Document, language string) ([]byte, error) {
	v, err := viewOf(d, language)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
