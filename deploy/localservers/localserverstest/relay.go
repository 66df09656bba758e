package localserverstest

import (
	"context"
	"io"
	"net"
	"sync"

	"ristourne/deploy/localservers"
)

// startRelayed starts ClickHouse behind a relay. The ClickHouse that comes as a
// library ends as a whole when a connection is reset, which the kernel does to
// those that a test cuts off with something left to read.
func startRelayed(ctx context.Context, o localservers.Options) (*localservers.ClickHouse, error) {
	server, err := localservers.StartClickHouse(ctx, o)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := server.Addr
	go func() { // for as long as the test binary runs, as the server does
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go relay(client, address)
		}
	}()
	server.Addr = listener.Addr().String()
	return server, nil
}

// relay passes one connection on, and ends it towards the server in the usual
// way however it ended.
func relay(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	var there sync.WaitGroup
	there.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	})
	if _, err := io.Copy(client, server); err != nil {
		_, _ = io.Copy(io.Discard, server) // closing before its last word would be a reset
	}
	_ = client.Close()
	there.Wait()
}
