package clickhouse

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// dial opens a connection that ends where the server sends nothing for ReadTimeout
// while it is waited for. The client's own timeout is for the whole of an answer: a
// rebuild, an audit, or a settlement reads for longer.
func (o Options) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("connection to %s is none of TCP", address)
	}
	patient := &patientConn{TCPConn: tcp, idle: o.ReadTimeout}
	if o.TLS == nil {
		return patient, nil
	}
	config := o.TLS
	if config.ServerName == "" && !config.InsecureSkipVerify {
		config = config.Clone()
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
	}
	secure := tls.Client(patient, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// patientConn takes a deadline for reading as one that begins anew with each read, but
// where reads and writes have one together: that is a caller's.
type patientConn struct {
	*net.TCPConn
	idle   time.Duration
	waited atomic.Bool // an answer is waited for
}

func (c *patientConn) SetReadDeadline(t time.Time) error {
	c.waited.Store(!t.IsZero())
	return c.TCPConn.SetReadDeadline(t)
}

func (c *patientConn) SetDeadline(t time.Time) error {
	c.waited.Store(false)
	return c.TCPConn.SetDeadline(t)
}

func (c *patientConn) Read(b []byte) (int, error) {
	if c.waited.Load() {
		if err := c.TCPConn.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
			return 0, err
		}
	}
	return c.TCPConn.Read(b)
}
