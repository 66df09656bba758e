// Chdbserver runs the ClickHouse that the library libchdb.so holds as a server
// of its own: the library is loaded without cgo, and its command line entry is
// called as the program "clickhouse local" would be.
//
//	chdbserver LIBRARY ARGUMENT...
//
// It is started by package localservers alone, which hands it a pipe as file 3 whose
// other end nobody but the parent holds. When that end closes, the parent is
// gone, however it went, and the server ends at once: a left-over server would
// hold the ports and the data folder of the next start.
package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// exitOrphaned tells in the log's place that the parent went away.
const exitOrphaned = 3

func main() {
	if len(os.Args) < 2 {
		fail("usage: chdbserver LIBRARY ARGUMENT...")
	}
	go endWithParent()

	library, err := purego.Dlopen(os.Args[1], purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		fail(fmt.Sprintf("load ClickHouse: %v", err))
	}
	var queryCmdline func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	purego.RegisterLibFunc(&queryCmdline, library, "chdb_query_cmdline")

	// argv[0] names the program, as for any C main; the library keeps the
	// pointers for as long as it serves.
	args := append([]string{"clickhouse"}, os.Args[2:]...)
	argv := make([]*byte, len(args)+1)
	for i, arg := range args {
		argv[i] = &append([]byte(arg), 0)[0]
	}
	var pin runtime.Pinner
	for _, arg := range argv[:len(args)] {
		pin.Pin(arg)
	}
	pin.Pin(&argv[0])
	defer pin.Unpin()

	queryCmdline(int32(len(args)), unsafe.Pointer(&argv[0]))
	// The query that keeps it serving never ends, so coming back is a failure;
	// its reason is in the server's log or on standard error.
	fail("ClickHouse stopped serving")
}

// endWithParent waits for the parent's end of the pipe to close.
func endWithParent() {
	parent := os.NewFile(3, "parent")
	_, _ = parent.Read(make([]byte, 1))
	os.Exit(exitOrphaned)
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "chdbserver: "+message)
	os.Exit(1)
}
