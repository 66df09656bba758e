package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What prices knows nothing of what is booked, and what books prices nothing: a
// reader of either needs not know the other, and no step can depend on one that
// comes after it.
func TestNoFileBothPricesAndBooks(t *testing.T) {
	t.Parallel()
	pricing, booking := []string{"valuer", "referralValuer", "ceilings"}, []string{"booking", "demands"}
	// Only ceilings read what was demanded, in the second run.
	forbidden := map[string][]string{
		"prices": {"booking", "entitlement", "Output", "Accrual", "Instruction", "Budgets"},
		"books":  {"valuer", "referralValuer", "ceilings", "counters", "history"},
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		does := map[string]bool{}
		for _, d := range file.Decls {
			switch r := receiverOf(d); {
			case slices.Contains(pricing, r):
				does["prices"] = true
			case slices.Contains(booking, r):
				does["books"] = true
			}
		}
		if len(does) == 2 {
			t.Errorf("%s both prices and books", name)
		}
		for what := range does {
			seen[what]++
			ast.Inspect(file, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && slices.Contains(forbidden[what], id.Name) {
					t.Errorf("%s %s, and names %s", name, what, id.Name)
				}
				return true
			})
		}
	}
	if seen["prices"] < 8 || seen["books"] < 4 {
		t.Errorf("files that price or book: %v; the names of their types have changed", seen)
	}
}

// receiverOf is the type of a method, without its star; empty: it is none.
func receiverOf(d ast.Decl) string {
	f, ok := d.(*ast.FuncDecl)
	if !ok || f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
