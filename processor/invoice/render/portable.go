package render

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"

	"ristourne/processor/invoice"
)

// portable prints a document as PDF. Its dates and its order are the document's own, so
// that the same document gives the same bytes.
func portable(d *invoice.Document, language string) ([]byte, error) {
	v, err := viewOf(d, language)
	if err != nil {
		return nil, err
	}
	p := newSheet(v)
	p.head()
	p.parties()
	p.lines()
	p.totals()
	p.purchases()
	p.notes()
	var b bytes.Buffer
	if err := p.pdf.Output(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Measures are in millimetres on A4.
const (
	margin    = 20.0
	width     = 210.0 - 2*margin
	lineStep  = 5.0
	small     = 9.0 // points
	normal    = 10.0
	large     = 20.0
	family    = "go"
	bold      = "B"
	amountCol = 42.0
)

type sheet struct {
	pdf *fpdf.Fpdf
	v   *view
}

func newSheet(v *view) *sheet {
	p := &sheet{fpdf.New("P", "mm", "A4", ""), v}
	p.pdf.AddUTF8FontFromBytes(family, "", goregular.TTF)
	p.pdf.AddUTF8FontFromBytes(family, bold, gobold.TTF)
	p.pdf.SetCatalogSort(true)
	p.pdf.SetCreationDate(v.IssuedOn.Add(12 * time.Hour))
	p.pdf.SetModificationDate(v.IssuedOn.Add(12 * time.Hour))
	p.pdf.SetTitle(v.Title+" "+v.Number, true)
	p.pdf.SetAuthor(v.Seller.Name, true)
	p.pdf.SetLang(v.Language)
	p.pdf.SetMargins(margin, margin, margin)
	p.pdf.SetCellMargin(0)
	p.pdf.SetAutoPageBreak(true, margin)
	p.pdf.SetFooterFunc(func() {
		p.pdf.SetY(-margin + lineStep)
		p.grey(small)
		p.cell(width/2, v.Number, "L")
		p.cell(width/2, fmt.Sprintf(v.page, p.pdf.PageNo()), "R")
	})
	p.pdf.AddPage()
	return p
}

func (p *sheet) dark(style string, size float64) {
	p.pdf.SetFont(family, style, size)
	p.pdf.SetTextColor(31, 41, 51)
}

func (p *sheet) grey(size float64) {
	p.pdf.SetFont(family, "", size)
	p.pdf.SetTextColor(97, 110, 124)
}

// text is one that the font can write: it has no narrow space.
func text(s string) string { return strings.ReplaceAll(s, narrowNoBreak, noBreak) }

func (p *sheet) cell(w float64, s, align string) {
	p.pdf.CellFormat(w, lineStep, text(s), "", 0, align, false, 0, "")
}

// block writes lines below one another, each as long as it is.
func (p *sheet) block(w float64, lines ...string) {
	for _, line := range lines {
		p.pdf.SetX(p.pdf.GetX())
		x := p.pdf.GetX()
		p.pdf.MultiCell(w, lineStep, text(line), "", "L", false)
		p.pdf.SetX(x)
	}
}

func (p *sheet) rule(thick float64, r, g, b int) {
	p.pdf.SetDrawColor(r, g, b)
	p.pdf.SetLineWidth(thick)
	y := p.pdf.GetY()
	p.pdf.Line(p.pdf.GetX(), y, margin+width, y)
}

func (p *sheet) heavyRule() { p.rule(0.5, 11, 57, 84) }
func (p *sheet) lightRule() { p.rule(0.2, 228, 231, 235) }

// head is what it is, and whose.
func (p *sheet) head() {
	top := p.pdf.GetY()
	p.pdf.SetFont(family, bold, large)
	p.pdf.SetTextColor(11, 57, 84)
	p.pdf.MultiCell(width*0.55, 9, text(p.v.Title+"\n"+p.v.Number), "", "L", false)
	bottom := p.pdf.GetY()
	p.pdf.SetXY(margin+width*0.58, top)
	p.company(&p.v.Seller, width*0.42)
	p.pdf.SetXY(margin, max(bottom, p.pdf.GetY())+12)
}

func (p *sheet) company(c *party, w float64) {
	p.dark(bold, normal)
	p.block(w, c.Name)
	p.dark("", normal)
	p.block(w, c.Address...)
	p.grey(small)
	p.block(w, c.Numbers...)
}

// parties is who is billed, and the dates.
func (p *sheet) parties() {
	top := p.pdf.GetY()
	p.heading(p.v.BilledTo)
	p.company(&p.v.Buyer, width*0.45)
	bottom := p.pdf.GetY()
	p.pdf.SetY(top)
	for _, fact := range p.v.Facts {
		p.pdf.SetX(margin + width*0.5)
		p.grey(normal)
		p.cell(width*0.12, fact.Label, "L")
		p.dark("", normal)
		p.cell(width*0.38, fact.Value, "R")
		p.pdf.Ln(lineStep)
	}
	p.pdf.SetXY(margin, max(bottom, p.pdf.GetY())+12)
}

func (p *sheet) heading(s string) {
	p.pdf.SetFont(family, bold, small-1)
	p.pdf.SetTextColor(97, 110, 124)
	p.block(width, strings.ToUpper(s))
}

func (p *sheet) lines() {
	p.pdf.SetFont(family, bold, small-1)
	p.pdf.SetTextColor(97, 110, 124)
	p.cell(width-amountCol, strings.ToUpper(p.v.What), "L")
	p.cell(amountCol, strings.ToUpper(p.v.Amount), "R")
	p.pdf.Ln(lineStep + 1)
	p.heavyRule()
	for _, line := range p.v.Lines {
		p.pdf.Ln(2)
		p.dark("", normal)
		top := p.pdf.GetY()
		p.pdf.MultiCell(width-amountCol, lineStep, text(line.Label), "", "L", false)
		bottom := p.pdf.GetY()
		p.pdf.SetXY(margin+width-amountCol, top)
		p.cell(amountCol, line.Value, "R")
		p.pdf.SetXY(margin, bottom+2)
		p.lightRule()
	}
	p.pdf.Ln(4)
}

func (p *sheet) totals() {
	const label = 55.0
	for i, total := range p.v.Totals {
		p.pdf.SetX(margin + width - amountCol - label)
		p.dark("", normal)
		if i == len(p.v.Totals)-1 {
			p.pdf.Ln(1)
			p.pdf.SetX(margin + width - amountCol - label)
			p.heavyRule()
			p.pdf.Ln(2)
			p.pdf.SetX(margin + width - amountCol - label)
			p.dark(bold, normal+1)
		}
		p.cell(label, total.Label, "L")
		p.cell(amountCol, total.Value, "R")
		p.pdf.Ln(lineStep + 1)
	}
	p.pdf.Ln(6)
}

func (p *sheet) purchases() {
	if len(p.v.Purchases) == 0 {
		return
	}
	p.heading(p.v.Heading)
	p.grey(small)
	p.block(width, p.v.Purchases...)
	p.pdf.Ln(6)
}

func (p *sheet) notes() {
	if len(p.v.Notes) == 0 {
		return
	}
	p.lightRule()
	p.pdf.Ln(3)
	p.grey(small)
	for _, note := range p.v.Notes {
		p.block(width, note)
		p.pdf.Ln(1)
	}
}
