package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

// config is the whole configuration of every command that touches a server.
// The doc tags are what `ristourne config` prints.
type config struct {
	Kafka      kafkaConfig      `yaml:"kafka"`
	Redis      redisConfig      `yaml:"redis"`
	ClickHouse clickhouseConfig `yaml:"clickhouse"`
	Privacy    privacyConfig    `yaml:"privacy"`
	Processor  processorConfig  `yaml:"processor"`
	HTTP       httpConfig       `yaml:"http"`
	Log        logConfig        `yaml:"log"`
}

type kafkaConfig struct {
	Brokers  []string `yaml:"brokers" doc:"host:port of some brokers; the others are found through them"`
	Group    string   `yaml:"group" doc:"consumer group: processors that share the shards have the same one"`
	ClientID string   `yaml:"client_id" doc:"shown in the brokers' logs and quotas"`
	// SessionTimeout: a member that is silent for so long loses its shards.
	SessionTimeout time.Duration `yaml:"session_timeout" doc:"a processor that is silent for so long loses its shards, 500ms to 10m"`
	Topics         topicsConfig  `yaml:"topics"`
	TLS            tlsConfig     `yaml:"tls"`
	SASL           saslConfig    `yaml:"sasl"`
}

type topicsConfig struct {
	Facts        string `yaml:"facts"`
	Referrals    string `yaml:"referrals"`
	Results      string `yaml:"results"`
	Transactions string `yaml:"transactions"`
	Instructions string `yaml:"instructions"`
	DeadLetters  string `yaml:"dead_letters"`
}

type tlsConfig struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file" doc:"PEM; empty: the system's authorities"`
	CertFile   string `yaml:"cert_file" doc:"PEM; with key_file, the client's own certificate"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name" doc:"name in the server's certificate, where it is not the address"`
}

type saslConfig struct {
	Mechanism string `yaml:"mechanism" doc:"plain, scram-sha-256 or scram-sha-512; empty: none"`
	Username  string `yaml:"username"`
	Password  secret `yaml:"password"`
}

type redisConfig struct {
	Addresses      []string  `yaml:"addresses" doc:"one: a server; several: a cluster, or sentinels where sentinel_master is given"`
	SentinelMaster string    `yaml:"sentinel_master"`
	Username       string    `yaml:"username"`
	Password       secret    `yaml:"password"`
	TLS            tlsConfig `yaml:"tls"`
	Prefix         string    `yaml:"prefix" doc:"of every key, so that several systems can share a server"`
}

type clickhouseConfig struct {
	Addresses []string  `yaml:"addresses" doc:"host:port of the native protocol"`
	Database  string    `yaml:"database"`
	User      string    `yaml:"user"`
	Password  secret    `yaml:"password"`
	TLS       tlsConfig `yaml:"tls"`
}

type privacyConfig struct {
	AccountRefKey secret `yaml:"account_ref_key" doc:"secret of at least 32 bytes under which account references are derived; never change it"`
}

type processorConfig struct {
	MaxAccounts    int           `yaml:"max_accounts" doc:"accounts of one Redis script, 1 to 2000"`
	MaxAhead       int           `yaml:"max_ahead" doc:"batches decided but not settled, 1 to 64"`
	CommitInterval time.Duration `yaml:"commit_interval" doc:"how long offsets of records that changed nothing wait, 10ms to 1m"`
	RetryMax       time.Duration `yaml:"retry_max" doc:"longest pause between tries of a failing step, 100ms to 1m"`
	DrainTimeout   time.Duration `yaml:"drain_timeout" doc:"how long a shard that must stop may go on settling, 1s to 1m"`
	StallAfter     time.Duration `yaml:"stall_after" doc:"/livez fails when a shard has not moved for so long, 10s to 1h"`
}

type httpConfig struct {
	Listen string `yaml:"listen" doc:"address of /metrics, /livez and /readyz"`
}

type logConfig struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error"`
	Format string `yaml:"format" doc:"text or json"`
}

func defaultConfig() *config {
	o := processor.DefaultOptions()
	return &config{
		Kafka: kafkaConfig{
			Group: "ristourne", ClientID: "ristourne", SessionTimeout: 30 * time.Second,
			Topics: topicsConfig{
				Facts: "programme.facts", Referrals: "programme.referrals", Results: "credit.results",
				Transactions: "card.transactions", Instructions: "credit.instructions", DeadLetters: "ristourne.dead-letters",
			},
		},
		Redis:      redisConfig{Prefix: "rst"},
		ClickHouse: clickhouseConfig{Database: "ristourne", User: "default"},
		Processor: processorConfig{
			MaxAccounts: o.MaxAccounts, MaxAhead: o.MaxAhead, CommitInterval: o.CommitInterval,
			RetryMax: o.RetryMax, DrainTimeout: o.DrainTimeout, StallAfter: 2 * time.Minute,
		},
		HTTP: httpConfig{Listen: "127.0.0.1:9600"},
		Log:  logConfig{Level: "info", Format: "text"},
	}
}

// loadConfig reads and checks a configuration. The error joins every fault,
// each with its place.
func loadConfig(path string) (*config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c := defaultConfig()
	file := decodeYAML(path, text, c)
	c.validate(file)
	return c, file.err()
}

// validate reports to file, which knows where each key stands.
func (c *config) validate(file *yamlFile) {
	need := func(bad bool, key, format string, args ...any) {
		if bad {
			file.fault(key, format, args...)
		}
	}
	k := &c.Kafka
	need(len(k.Brokers) == 0, "kafka.brokers", "no broker: name at least one host:port")
	need(k.Group == "", "kafka.group", "empty: processors that share the shards need the same group")
	need(k.SessionTimeout < 500*time.Millisecond || k.SessionTimeout > 10*time.Minute, "kafka.session_timeout",
		"%s is not between 500ms and 10m", k.SessionTimeout)
	seen := map[string]string{}
	for _, topic := range k.Topics.all() {
		need(topic.name == "", "kafka.topics."+topic.key, "empty: name the topic")
		if topic.name != "" {
			need(seen[topic.name] != "", "kafka.topics."+topic.key, "%q is already the topic of %s", topic.name, seen[topic.name])
			seen[topic.name] = topic.key
		}
	}
	switch k.SASL.Mechanism {
	case "":
	case "plain", "scram-sha-256", "scram-sha-512":
		need(k.SASL.Username == "", "kafka.sasl.username", "needed with mechanism %s", k.SASL.Mechanism)
		need(!k.SASL.Password.given(), "kafka.sasl.password", "needed with mechanism %s: {file: PATH} or {env: NAME}", k.SASL.Mechanism)
	default:
		file.fault("kafka.sasl.mechanism", "unknown mechanism %q: plain, scram-sha-256 or scram-sha-512", k.SASL.Mechanism)
	}
	need(len(c.Redis.Addresses) == 0, "redis.addresses", "no address: name at least one host:port")
	need(strings.ContainsAny(c.Redis.Prefix, "{}"), "redis.prefix", "must not hold braces: they would decide the cluster's slot")
	need(c.Redis.Prefix == "", "redis.prefix", "empty")
	need(len(c.ClickHouse.Addresses) == 0, "clickhouse.addresses", "no address: name at least one host:port")
	need(c.ClickHouse.Database == "", "clickhouse.database", "empty")
	need(!c.Privacy.AccountRefKey.given(), "privacy.account_ref_key", "missing: {file: PATH} or {env: NAME} of at least 32 random bytes")
	need(c.Privacy.AccountRefKey.given() && len(c.Privacy.AccountRefKey.value) < 32, "privacy.account_ref_key",
		"shorter than 32 bytes: account references could be guessed")
	for key, t := range map[string]tlsConfig{"kafka.tls": k.TLS, "redis.tls": c.Redis.TLS, "clickhouse.tls": c.ClickHouse.TLS} {
		need((t.CertFile == "") != (t.KeyFile == ""), key, "cert_file and key_file go together")
		need(!t.Enabled && t != (tlsConfig{}), key, "has settings and is not enabled: say enabled: true, or take them out")
		if t.Enabled {
			_, err := t.client()
			need(err != nil, key, "%v", err)
		}
	}
	c.Processor.validate(file)
	var level slog.Level
	need(level.UnmarshalText([]byte(c.Log.Level)) != nil, "log.level", "unknown level %q: debug, info, warn or error", c.Log.Level)
	need(c.Log.Format != "text" && c.Log.Format != "json", "log.format", "unknown format %q: text or json", c.Log.Format)
}

func (p *processorConfig) validate(file *yamlFile) {
	between := func(key string, value, low, high int) {
		if value < low || value > high {
			file.fault("processor."+key, "%d is not between %d and %d", value, low, high)
		}
	}
	lasts := func(key string, value, low, high time.Duration) {
		if value < low || value > high {
			file.fault("processor."+key, "%s is not between %s and %s", value, low, high)
		}
	}
	between("max_accounts", p.MaxAccounts, 1, 2000)
	between("max_ahead", p.MaxAhead, 1, 64)
	lasts("commit_interval", p.CommitInterval, 10*time.Millisecond, time.Minute)
	lasts("retry_max", p.RetryMax, 100*time.Millisecond, time.Minute)
	lasts("drain_timeout", p.DrainTimeout, time.Second, time.Minute)
	lasts("stall_after", p.StallAfter, 10*time.Second, time.Hour)
}

type namedTopic struct{ key, name string }

func (t *topicsConfig) all() []namedTopic {
	return []namedTopic{
		{"facts", t.Facts},
		{"referrals", t.Referrals},
		{"results", t.Results},
		{"transactions", t.Transactions},
		{"instructions", t.Instructions},
		{"dead_letters", t.DeadLetters},
	}
}

// inputs are the names by the place of the topic in a batch.
func (t *topicsConfig) inputs() [rules.NumTopics]string {
	return [rules.NumTopics]string{
		rules.TopicFacts: t.Facts, rules.TopicReferrals: t.Referrals,
		rules.TopicResults: t.Results, rules.TopicTransactions: t.Transactions,
	}
}

// client is nil where TLS is off.
func (t tlsConfig) client() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: no certificate in %s", t.CAFile)
		}
	}
	if t.CertFile != "" && t.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (s saslConfig) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: s.Password.value}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, s.Username, s.Password.value)
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, s.Username, s.Password.value)
	}
	return nil, nil
}

// feed is how the processor reads Kafka.
func (k *kafkaConfig) feed(log *slog.Logger) (feed.Config, error) {
	tlsClient, err1 := k.TLS.client()
	mechanism, err2 := k.SASL.mechanism()
	return feed.Config{
		Brokers: k.Brokers, GroupID: k.Group, ClientID: k.ClientID, Topics: k.Topics.inputs(),
		TLS: tlsClient, SASL: mechanism, Log: log,
		SessionTimeout: k.SessionTimeout, RebalanceTimeout: k.SessionTimeout, HeartbeatInterval: k.SessionTimeout / 10,
	}, errors.Join(err1, err2)
}

// transport is how everything else talks to Kafka.
func (k *kafkaConfig) transport() (*kafka.Transport, error) {
	tlsClient, err1 := k.TLS.client()
	mechanism, err2 := k.SASL.mechanism()
	return &kafka.Transport{ClientID: k.ClientID, TLS: tlsClient, SASL: mechanism}, errors.Join(err1, err2)
}

func (r *redisConfig) options() (accounts.Options, error) {
	tlsClient, err := r.TLS.client()
	return accounts.Options{
		Addrs: r.Addresses, MasterName: r.SentinelMaster, Username: r.Username, Password: r.Password.value, TLS: tlsClient,
	}, err
}

func (c *clickhouseConfig) options() (clickhouse.Options, error) {
	tlsClient, err := c.TLS.client()
	o := clickhouse.DefaultOptions()
	o.Addresses, o.Database, o.User, o.Password, o.TLS = c.Addresses, c.Database, c.User, c.Password.value, tlsClient
	return o, err
}

func (c *config) processorOptions() processor.Options {
	o := processor.DefaultOptions()
	o.Topics = c.Kafka.Topics.inputs()
	o.AccountRefKey = []byte(c.Privacy.AccountRefKey.value)
	o.MaxAccounts, o.MaxAhead = c.Processor.MaxAccounts, c.Processor.MaxAhead
	o.CommitInterval, o.RetryMax, o.DrainTimeout = c.Processor.CommitInterval, c.Processor.RetryMax, c.Processor.DrainTimeout
	return o
}

// secret is read from a file or the environment, and never printed.
type secret struct {
	value  string
	source string // for messages: where it came from
}

func (s secret) given() bool { return s.source != "" }

// String keeps the value out of logs and errors.
func (s secret) String() string {
	if !s.given() {
		return ""
	}
	return "(from " + s.source + ")"
}

// GoString keeps it out of %#v.
func (s secret) GoString() string { return s.String() }

func secretFromFile(path, relativeTo string) (secret, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(relativeTo), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return secret{source: "file " + path}, fmt.Errorf("read the secret: %w", err)
	}
	return secret{value: strings.TrimRight(string(text), "\r\n"), source: "file " + path}, nil
}

func secretFromEnv(name string) (secret, error) {
	value, ok := os.LookupEnv(name)
	if !ok {
		return secret{source: "environment " + name}, fmt.Errorf("environment variable %s is not set", name)
	}
	return secret{value: value, source: "environment " + name}, nil
}
