package localservers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are chosen below the ranges from which Linux and macOS take the port of
// an outgoing connection. One from there could be gone when a killed server
// asks for it again, since clients dial all the time while it is down.
const (
	firstPort = 20000
	lastPort  = 32000
)

// freePorts gives n different ports that nobody listens on. Another process may
// take one before its server does; the start is then tried again with others.
func freePorts(n int) ([]int, error) {
	const tries = 200
	var ports []int
	for range tries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := net.Listen("tcp", localAddr(port))
		if err != nil {
			continue
		}
		// Kept open until all are found, or one could be found twice.
		defer listener.Close()
		ports = append(ports, port)
		if len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("find %d free ports on 127.0.0.1 between %d and %d: %w",
		n, firstPort, lastPort, errors.New("nearly all are taken, or listening is not allowed"))
}

// localAddr is the address of a port on the loopback interface.
func localAddr(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// FreeAddr is an address on this machine on which nobody listens. Another process
// may take it first: start with another one then.
func FreeAddr() (string, error) {
	ports, err := freePorts(1)
	if err != nil {
		return "", err
	}
	return localAddr(ports[0]), nil
}
