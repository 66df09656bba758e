package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen prints lines, and below them, on a terminal, a block that is written
// over and over.
type screen struct {
	w     io.Writer
	live  bool // a terminal
	mu    sync.Mutex
	block int // lines of the block that stands there
}

func newScreen(w io.Writer, terminal bool) *screen { return &screen{w: w, live: terminal} }

// say prints a line, above the block.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.w, format+"\n", args...)
}

// item prints a line of a list with names.
func (s *screen) item(name, format string, args ...any) {
	s.say("  %-11s %s", name, fmt.Sprintf(format, args...))
}

// title prints the heading of a part.
func (s *screen) title(text string) {
	if s.live {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	s.say("\n%s", text)
}

// show replaces the block. Where nothing can be replaced, it is printed as it is.
func (s *screen) show(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	width := s.width()
	for _, line := range lines {
		fmt.Fprintln(s.w, cut(line, width))
	}
	if s.live {
		s.block = len(lines)
	}
}

// freeze leaves the block where it stands.
func (s *screen) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block = 0
}

// erase goes up to the block's first line and clears what is below.
func (s *screen) erase() {
	if s.block > 0 {
		fmt.Fprintf(s.w, "\x1b[%dA\x1b[J", s.block)
		s.block = 0
	}
}

// width of the terminal; a line that wraps would break the block.
func (s *screen) width() int {
	const unbounded = 1 << 10
	file, ok := s.w.(*os.File)
	if !s.live || !ok {
		return unbounded
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 20 {
		return unbounded
	}
	return width
}

func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}
