package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"

	"ristourne/cmd/internal/config"
	"ristourne/processor/feed"
)

// authority signs certificates for servers and clients.
type authority struct {
	dir         string // ca.pem, client.pem, client.key
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of the test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(a.dir, "ca.pem"), "CERTIFICATE", der)
	client := a.sign(t, "client")
	writePEM(t, filepath.Join(a.dir, "client.pem"), "CERTIFICATE", client.Certificate[0])
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(a.dir, "client.key"), "PRIVATE KEY", key)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// server wants a certificate of every client.
func (a *authority) server(t *testing.T, name string) *tls.Config {
	t.Helper()
	clients := x509.NewCertPool()
	clients.AddCert(a.certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{a.sign(t, name)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: tls.VersionTLS12,
	}
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// secured is a configuration beside the authority's files, which it names by
// relative paths.
func (a *authority) secured(t *testing.T, kafka, redis string) string {
	t.Helper()
	path := filepath.Join(a.dir, "ristourne.yaml")
	text := fmt.Sprintf(`
kafka:
  brokers: [%q]
  tls: {enabled: true, ca_file: ca.pem, cert_file: client.pem, key_file: client.key, server_name: kafka.bank}
  sasl: {mechanism: scram-sha-256, username: ristourne, password: {env: GOOD_SECRET}}
redis:
  addresses: [%q]
  username: ristourne
  password: {env: GOOD_SECRET}
  tls: {enabled: true, ca_file: ca.pem, cert_file: client.pem, key_file: client.key, server_name: redis.bank}
clickhouse:
  addresses: ["127.0.0.1:1"]
  password: {env: GOOD_SECRET}
  tls: {enabled: true, ca_file: ca.pem, server_name: clickhouse.bank}
privacy: {account_ref_key: {env: GOOD_SECRET}}
`, kafka, redis)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What the configuration says of TLS reaches the clients of every server.
func TestTLSReachesEveryClient(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	c, err := config.Load(a.secured(t, "broker:9093", "redis:6380"))
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(a.certificate)
	feedConfig, err1 := c.Kafka.Feed(quiet())
	transport, err2 := c.Kafka.Transport()
	redis, err3 := c.Redis.Options()
	ledger, err4 := c.ClickHouse.Options()
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, of := range []struct {
		name         string
		config       *tls.Config
		server       string
		certificates int
	}{
		{"the input topics", feedConfig.TLS, "kafka.bank", 1},
		{"the output topics", transport.TLS, "kafka.bank", 1},
		{"Redis", redis.TLS, "redis.bank", 1},
		{"ClickHouse", ledger.TLS, "clickhouse.bank", 0},
	} {
		switch {
		case of.config == nil:
			t.Errorf("%s: no TLS", of.name)
		case !of.config.RootCAs.Equal(authorities) || of.config.ServerName != of.server || len(of.config.Certificates) != of.certificates ||
			of.config.MinVersion < tls.VersionTLS12 || of.config.InsecureSkipVerify:
			t.Errorf("%s: TLS is %+v", of.name, of.config)
		}
	}
	if feedConfig.SASL == nil || transport.SASL == nil || feedConfig.SASL.Name() != "SCRAM-SHA-256" {
		t.Errorf("SASL is %v and %v", feedConfig.SASL, transport.SASL)
	}
	if redis.Password != goodSecret || redis.Username != "ristourne" || ledger.Password != goodSecret {
		t.Error("a password did not reach its client")
	}
	if c, err := (config.TLS{ServerName: "x"}).Client(); c != nil || err != nil {
		t.Errorf("TLS that is off gives %v, %v", c, err)
	}
}

// Options that the configuration has and a client does not get would be silently
// without effect.
func TestEveryKeyOfRedisAndClickHouseReachesItsClient(t *testing.T) {
	t.Parallel()
	r := config.Redis{Addresses: []string{"a:1"}, Cluster: true, SentinelMaster: "m", SentinelUsername: "su", Username: "u"}
	r.Password, _ = config.NewSecret("p", "test")
	r.SentinelPassword, _ = config.NewSecret("sp", "test")
	got, err := r.Options()
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v", got); !strings.Contains(text, "Addrs:[a:1] MasterName:m Cluster:true Username:u Password:p SentinelUsername:su SentinelPassword:sp") {
		t.Errorf("options of Redis: %s", text)
	}
	c := config.ClickHouse{Addresses: []string{"a:1"}, Database: "d", User: "u", Cluster: "c", InsertQuorum: 2}
	o, err := c.Options()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(o.Addresses, c.Addresses) || o.Database != "d" || o.User != "u" || o.Cluster != "c" || o.InsertQuorum != 2 {
		t.Errorf("options of ClickHouse: %+v", o)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

func TestRedisOverTLSWithAPassword(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	server := miniredis.NewMiniRedis()
	if err := server.StartTLS(a.server(t, "redis.bank")); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.RequireUserAuth("ristourne", goodSecret)
	config := a.secured(t, nobody, server.Addr())
	stdout, stderr, code := command(t, "", "offers", "history", "--config", config)
	if code != exitFailed || !strings.Contains(stderr, "no catalogue") && !strings.Contains(stderr, "offers publish") {
		t.Errorf("an empty Redis behind TLS: exit %d: %s%s", code, stdout, stderr)
	}
	// A server that another authority signed is none to talk to.
	other := miniredis.NewMiniRedis()
	if err := other.StartTLS(newAuthority(t).server(t, "redis.bank")); err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, stderr, code = command(t, "", "offers", "history", "--config", a.secured(t, nobody, other.Addr()))
	if code != exitFailed || !strings.Contains(stderr, "unknown authority") {
		t.Errorf("a stranger's server: exit %d: %s", code, stderr)
	}
	if strings.Contains(stderr, goodSecret) {
		t.Error("the password is told")
	}
}

// Members are imported, and dead letters read, over TLS with SASL.
func TestKafkaOverTLSWithSASL(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(a.server(t, "kafka.bank")),
		kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "ristourne", goodSecret),
		kfake.SeedTopics(2, "programme.facts", "programme.referrals", "credit.results", "card.transactions", "ristourne.dead-letters"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	_, port, err := net.SplitHostPort(cluster.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	at := a.secured(t, "127.0.0.1:"+port, nobody)
	if _, stderr, code := command(t, "", importLine(at, membersDir+"/good.csv", "--at", "2026-02-01T00:00:00Z")...); code != 0 {
		t.Fatalf("members import exits %d: %s", code, stderr)
	}
	c, err := config.Load(at)
	if err != nil {
		t.Fatal(err)
	}
	reading, err := c.Kafka.Feed(quiet())
	if err != nil {
		t.Fatal(err)
	}
	if facts := factsIn(t, reading, c.Kafka.Topics.Facts); len(facts) != 4 {
		t.Errorf("%d facts were written, want 4", len(facts))
	}
	if stdout, stderr, code := command(t, "", "deadletters", "list", "--config", at); code != 0 || strings.Count(stdout, "\n") != 1 {
		t.Errorf("deadletters list exits %d: %s%s", code, stdout, stderr)
	}
	if shards, err := feed.Partitions(t.Context(), reading); shards != 2 || err != nil {
		t.Errorf("the broker tells of %d shards, %v", shards, err)
	}
	reading.SASL = nil
	if _, err := feed.Partitions(t.Context(), reading); err == nil {
		t.Error("the broker takes clients without a password: the test shows nothing")
	}
}
