package cmd_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

// house is all code of the house with its types, tests too.
func house(t *testing.T) (*token.FileSet, []*packages.Package) {
	t.Helper()
	h := loadHouse()
	if h.err != nil {
		t.Fatal(h.err)
	}
	for _, p := range h.packages {
		if len(p.Errors) > 0 {
			t.Fatal(p.Errors)
		}
	}
	return h.files, h.packages
}

type loadedHouse struct {
	files    *token.FileSet
	packages []*packages.Package
	err      error
}

var loadHouse = sync.OnceValue(func() loadedHouse {
	h := loadedHouse{files: token.NewFileSet()}
	h.packages, h.err = packages.Load(&packages.Config{Mode: packages.LoadSyntax | packages.NeedForTest, Tests: true, Fset: h.files}, "ristourne/...")
	return h
})

// exportedFor are names that nobody outside their package uses, and why they are
// exported all the same.
var exportedFor = map[string]string{}

// A name that is exported is a promise to the rest of the house: each has a user
// outside its package, be it a test, or belongs to the type of one that has.
// Methods are not looked at: they may be there for an interface.
func TestEveryExportedNameHasAUser(t *testing.T) {
	t.Parallel()
	files, loaded := house(t)
	promised := map[string]types.Object{} // by place
	group := map[string]token.Pos{}       // of a constant: where its declaration begins
	for _, p := range loaded {
		for _, file := range p.Syntax {
			for _, d := range file.Decls {
				if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.CONST {
					for _, spec := range d.Specs {
						for _, id := range spec.(*ast.ValueSpec).Names {
							group[place(files, p.TypesInfo.Defs[id])] = d.Pos()
						}
					}
				}
			}
		}
		for id, o := range p.TypesInfo.Defs {
			if p.Name == "main" || o == nil || !ast.IsExported(id.Name) || o.Parent() != o.Pkg().Scope() ||
				strings.HasSuffix(files.Position(id.Pos()).Filename, "_test.go") || strings.HasSuffix(p.PkgPath, "test") {
				continue
			}
			promised[place(files, o)] = o
		}
	}
	used := map[string]bool{}
	for _, p := range loaded {
		for _, o := range p.TypesInfo.Uses {
			if is := promised[place(files, o)]; is != nil && p.PkgPath != is.Pkg().Path() {
				used[place(files, o)] = true
			}
		}
	}
	for grew := true; grew; {
		grew = false
		for at, o := range promised {
			if !used[at] {
				continue
			}
			for _, n := range namedIn(o) {
				if key := place(files, n); promised[key] != nil && !used[key] {
					used[key], grew = true, true
				}
			}
		}
	}
	told := map[token.Pos]bool{} // of constants declared together one has a user: the others say what it means
	for at := range used {
		told[group[at]] = true
	}
	for at, o := range promised {
		name := strings.TrimPrefix(o.Pkg().Path(), "ristourne/") + "." + o.Name()
		_, typed := o.Type().(*types.Named)
		if typed && group[at] != token.NoPos {
			continue // one of an enumeration: the others say what it means
		}
		if !used[at] && (group[at] == token.NoPos || !told[group[at]]) && exportedFor[name] == "" {
			t.Errorf("%s: %s has no user outside its package: unexport it, or say in exportedFor why not", at, name)
		}
	}
}

func place(files *token.FileSet, o types.Object) string {
	if !o.Pos().IsValid() {
		return ""
	}
	p := files.Position(o.Pos())
	return fmt.Sprintf("%s:%d:%d", p.Filename, p.Line, p.Column)
}

// namedIn are the types that one has to know to use o: of its parameters and
// results, its fields, and its exported methods.
func namedIn(o types.Object) []types.Object {
	var found []types.Object
	var seen []types.Type
	var visit func(types.Type, bool)
	visit = func(t types.Type, whole bool) {
		if slices.ContainsFunc(seen, func(s types.Type) bool { return s == t }) {
			return
		}
		seen = append(seen, t)
		switch t := t.(type) {
		case *types.Named:
			found = append(found, t.Obj())
			if whole {
				visit(t.Underlying(), false)
				for m := range t.Methods() {
					if m.Exported() {
						visit(m.Type(), false)
					}
				}
			}
		case *types.Pointer:
			visit(t.Elem(), whole)
		case *types.Slice:
			visit(t.Elem(), false)
		case *types.Array:
			visit(t.Elem(), false)
		case *types.Map:
			visit(t.Key(), false)
			visit(t.Elem(), false)
		case *types.Chan:
			visit(t.Elem(), false)
		case *types.Signature:
			visit(t.Params(), false)
			visit(t.Results(), false)
		case *types.Tuple:
			for v := range t.Variables() {
				visit(v.Type(), false)
			}
		case *types.Struct:
			for f := range t.Fields() {
				if f.Exported() {
					visit(f.Type(), false)
				}
			}
		case *types.Interface:
			for m := range t.Methods() {
				visit(m.Type(), false)
			}
		}
	}
	visit(o.Type(), true)
	return found
}
