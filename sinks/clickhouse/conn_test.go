package clickhouse

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"ristourne/deploy/localservers/localserverstest"
)

// An answer may take longer than ReadTimeout, if bytes of it come: a rebuild that was
// cut off each minute would never end.
func TestAnAnswerMayTakeLongerThanTheReadTimeout(t *testing.T) {
	t.Parallel()
	server, database := localserverstest.ClickHouse(t)
	o := DefaultOptions()
	o.Addresses, o.User, o.Password, o.Database, o.ReadTimeout = []string{server.Addr}, server.User, server.Password, database, 500*time.Millisecond
	conn, err := clickhouse.Open(o.reader(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	rows, err := conn.Query(t.Context(), "SELECT number, sleepEachRow(0.1) FROM numbers(12) SETTINGS max_block_size = 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != 12 || time.Since(began) < 2*o.ReadTimeout {
		t.Errorf("%d rows in %s: %v", n, time.Since(began), err)
	}
}

// A server that says nothing is not waited for.
func TestASilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	o := DefaultOptions()
	o.ReadTimeout = 20 * time.Millisecond
	conn, err := o.dial(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Hour)); err != nil { // as long as a client means to wait for all of an answer
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after %s of silence: %v", o.ReadTimeout, err)
	}
}
