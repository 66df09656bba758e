// Package config is the configuration of the programs that touch a bank's
// servers: one file, read with the place of each key, so that all its faults are
// told at once, and secrets that no print of it shows.
package config

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/processor/feed"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

// Config is the whole configuration of every command that touches a server. It
// can be printed: secrets show where they came from.
type Config struct {
	Kafka      Kafka      `yaml:"kafka"`
	Redis      Redis      `yaml:"redis"`
	ClickHouse ClickHouse `yaml:"clickhouse"`
	Privacy    Privacy    `yaml:"privacy"`
	Processor  Processor  `yaml:"processor"`
	Payout     Payout     `yaml:"payout"`
	HTTP       HTTP       `yaml:"http"`
	Log        Log        `yaml:"log"`
}

// Kafka is how the brokers are reached, and which topics are whose.
type Kafka struct {
	Brokers        []string      `yaml:"brokers"`         // host:port of some brokers; the others are found through them
	Group          string        `yaml:"group"`           // consumer group: processors that share the shards have the same one
	ClientID       string        `yaml:"client_id"`       // shown in the brokers' logs and quotas
	SessionTimeout time.Duration `yaml:"session_timeout"` // a processor that is silent for so long loses its shards, 500ms to 10m
	Topics         Topics        `yaml:"topics"`
	TLS            TLS           `yaml:"tls"`
	SASL           SASL          `yaml:"sasl"`
}

// Topics are the names of the topics.
type Topics struct {
	Facts        string `yaml:"facts"`
	Referrals    string `yaml:"referrals"`
	Results      string `yaml:"results"`
	Transactions string `yaml:"transactions"`
	Instructions string `yaml:"instructions"`
	DeadLetters  string `yaml:"dead_letters"`
}

// TLS is how a connection is encrypted.
type TLS struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`   // PEM; empty: the system's authorities
	CertFile   string `yaml:"cert_file"` // PEM; with key_file, the client's own certificate
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"` // name in the server's certificate, where it is not the address
}

// SASL is how a client signs in.
type SASL struct {
	Mechanism string `yaml:"mechanism"` // plain, scram-sha-256 or scram-sha-512; empty: none
	Username  string `yaml:"username"`
	Password  Secret `yaml:"password"`
}

// Redis is where account states and the catalogue are kept.
type Redis struct {
	Addresses        []string `yaml:"addresses"` // one: a server; several: a cluster, or sentinels where sentinel_master is given
	Cluster          bool     `yaml:"cluster"`   // the one address is that of a cluster
	SentinelMaster   string   `yaml:"sentinel_master"`
	SentinelUsername string   `yaml:"sentinel_username"`
	SentinelPassword Secret   `yaml:"sentinel_password"`
	Username         string   `yaml:"username"`
	Password         Secret   `yaml:"password"`
	TLS              TLS      `yaml:"tls"`
	Prefix           string   `yaml:"prefix"` // of every key, so that several systems can share a server
}

// ClickHouse is where the ledger is.
type ClickHouse struct {
	Addresses    []string `yaml:"addresses"` // host:port of the native protocol
	Database     string   `yaml:"database"`
	User         string   `yaml:"user"`
	Password     Secret   `yaml:"password"`
	TLS          TLS      `yaml:"tls"`
	Cluster      string   `yaml:"cluster"`       // name of the ClickHouse cluster on which tables are replicated; empty: one node
	InsertQuorum int      `yaml:"insert_quorum"` // replicas that must have a row before it is acknowledged; 0: a majority
}

// Privacy is what keeps ids apart from the ledger.
type Privacy struct {
	AccountRefKey Secret `yaml:"account_ref_key"` // secret of at least 32 bytes under which account references are derived; never change it
}

// Processor is how the stream is run.
type Processor struct {
	MaxAccounts    int           `yaml:"max_accounts"`    // accounts of one Redis script, 1 to 2000
	MaxAhead       int           `yaml:"max_ahead"`       // saved batches that wait for delivery, 1 to 64
	CommitInterval time.Duration `yaml:"commit_interval"` // how long offsets of records that changed nothing wait, 10ms to 1m
	RetryMax       time.Duration `yaml:"retry_max"`       // longest pause between tries of a failing step, 100ms to 1m
	DrainTimeout   time.Duration `yaml:"drain_timeout"`   // how long a shard that must stop may go on delivering, 1s to 1m
	StallAfter     time.Duration `yaml:"stall_after"`     // /readyz fails when a shard has not moved for so long, 30s to 1h; /livez when a call has not come back for five times that
}

// Payout is when cycles of programmes are closed.
type Payout struct {
	Schedule bool          `yaml:"schedule"` // close cycles when they have ended; false: by the command settle alone
	Delay    time.Duration `yaml:"delay"`    // how long after its end a cycle is closed, 0s to 48h: what comes later is the next cycle's
	Debtors  []Debtor      `yaml:"debtors"`  // whose accounts pay, for files to the bank; none: there are no such files
}

// Debtor is an account that pays for programmes by files.
type Debtor struct {
	Programmes   []string `yaml:"programmes"` // ids
	Name         string   `yaml:"name"`       // of who owns the account, 1 to 70 letters
	IBAN         string   `yaml:"iban"`
	BIC          string   `yaml:"bic"`           // of its bank; empty: it goes by the IBAN
	ServiceLevel string   `yaml:"service_level"` // SEPA, URGP or NURG; empty: SEPA
	Address      Address  `yaml:"address"`       // of the owner, part by part; none: it isn't told
}

// Address is one in its parts: SEPA takes none in free lines any more.
type Address struct {
	Street   string `yaml:"street"`
	Building string `yaml:"building"`
	Postcode string `yaml:"postcode"`
	Town     string `yaml:"town"`
	Country  string `yaml:"country"`
}

// HTTP is where metrics and probes are served.
type HTTP struct {
	Listen string `yaml:"listen"` // address of /metrics, /livez and /readyz
}

// Log is what is logged, and how.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json
}

func Default() *Config {
	o := processor.DefaultOptions()
	return &Config{
		Kafka: Kafka{
			Group: "ristourne", ClientID: "ristourne", SessionTimeout: 30 * time.Second,
			Topics: Topics{
				Facts: "programme.facts", Referrals: "programme.referrals", Results: "credit.results",
				Transactions: "card.transactions", Instructions: "credit.instructions", DeadLetters: "ristourne.dead-letters",
			},
		},
		Redis:      Redis{Prefix: "rst"},
		ClickHouse: ClickHouse{Database: "ristourne", User: "default"},
		Processor: Processor{
			MaxAccounts: o.MaxAccounts, MaxAhead: o.MaxAhead, CommitInterval: o.CommitInterval,
			RetryMax: o.RetryMax, DrainTimeout: o.DrainTimeout, StallAfter: 2 * time.Minute,
		},
		Payout: Payout{Schedule: true, Delay: 15 * time.Minute},
		HTTP:   HTTP{Listen: "127.0.0.1:9600"},
		Log:    Log{Level: "info", Format: "text"},
	}
}

// MaxBytes bounds the file: one that is larger is no configuration.
const MaxBytes = 1 << 20

// Load reads and checks a configuration. The error joins every fault,
// each with its place.
func Load(path string) (*Config, error) {
	c, file, err := Read(path)
	if err != nil {
		return nil, err
	}
	if err := file.Err(); err != nil {
		return nil, fmt.Errorf("%s in the configuration:\n%w", offer.Counted(len(file.Faults), "fault"), err)
	}
	return c, nil
}

// Read finds the faults, and where they stand.
func Read(path string) (*Config, *File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, MaxBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	if len(text) > MaxBytes {
		return nil, nil, fmt.Errorf("read the configuration: %s has more than %d bytes", path, MaxBytes)
	}
	c := Default()
	file := decodeYAML(path, text, c)
	for _, t := range []*TLS{&c.Kafka.TLS, &c.Redis.TLS, &c.ClickHouse.TLS} {
		t.resolve(filepath.Dir(path))
	}
	if !file.unread[""] {
		c.validate(file)
	}
	return c, file, nil
}

// validate reports to file, which knows where each key stands.
func (c *Config) validate(file *File) {
	c.Kafka.validate(file)
	c.Redis.validate(file)
	c.ClickHouse.validate(file)
	file.need(c.Privacy.AccountRefKey.given(), "privacy.account_ref_key", "missing: {file: PATH} or {env: NAME} of at least 32 random bytes (openssl rand -hex 32)")
	if key := c.Privacy.AccountRefKey.Reveal(); key != "" {
		file.need(len(key) >= minAccountRefKey, "privacy.account_ref_key",
			"shorter than %d bytes: account references could be guessed; make one with openssl rand -hex 32", minAccountRefKey)
	}
	c.Processor.validate(file)
	file.need(c.Payout.Delay >= 0 && c.Payout.Delay <= maxPayoutDelay, "payout.delay", "%s is not within 0s to %s", c.Payout.Delay, maxPayoutDelay)
	c.Payout.validateDebtors(file)
	file.need(listens(c.HTTP.Listen), "http.listen", "%q is no address to listen on: write such as 127.0.0.1:9600 or :9600", c.HTTP.Listen)
	var level slog.Level
	file.need(level.UnmarshalText([]byte(c.Log.Level)) == nil, "log.level", "unknown level %q: debug, info, warn or error", c.Log.Level)
	file.need(c.Log.Format == "text" || c.Log.Format == "json", "log.format", "unknown format %q: text or json", c.Log.Format)
}

// maxPayoutDelay is shorter than what a person would call a cycle that was left out.
const maxPayoutDelay = 48 * time.Hour

// minAccountRefKey is the least length of the secret under which account
// references are derived, in bytes.
const minAccountRefKey = 32

// topicName is what Kafka allows.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (k *Kafka) validate(file *File) {
	file.needAddresses("kafka.brokers", k.Brokers, "localhost:9092")
	file.need(k.Group != "", "kafka.group", "empty: processors that share the shards need the same group")
	file.need(k.SessionTimeout >= 500*time.Millisecond && k.SessionTimeout <= 10*time.Minute, "kafka.session_timeout",
		"%s is not between 500ms and 10m", k.SessionTimeout)
	seen := map[string]string{}
	for _, topic := range k.Topics.all() {
		key := "kafka.topics." + topic.key
		file.need(topicName.MatchString(topic.name), key, "%q is no name of a topic: 1 to 249 of a-z A-Z 0-9 . _ -", topic.name)
		file.need(wire.KeepKey([]byte(topic.name)), key, "it holds a card number, which dead letters and logs would show")
		if other, twice := seen[topic.name]; twice && topic.name != "" {
			file.fault(key, "%q is already the topic of %s: each needs one of its own", topic.name, other)
		}
		seen[topic.name] = topic.key
	}
	s := &k.SASL
	switch s.Mechanism {
	case "":
		file.need(s.Username == "" && !s.Password.given(), "kafka.sasl", "has a username or password and no mechanism: plain, scram-sha-256 or scram-sha-512")
	case "plain", "scram-sha-256", "scram-sha-512":
		file.need(s.Username != "", "kafka.sasl.username", "needed with mechanism %s", s.Mechanism)
		file.need(s.Password.given(), "kafka.sasl.password", "needed with mechanism %s: {file: PATH} or {env: NAME}", s.Mechanism)
		_, err := s.mechanism()
		file.need(err == nil, "kafka.sasl", "%v", err)
	default:
		file.fault("kafka.sasl.mechanism", "unknown mechanism %q: plain, scram-sha-256 or scram-sha-512", s.Mechanism)
	}
	k.TLS.validate(file, "kafka.tls")
}

// redisPrefix is what keys may begin with.
var redisPrefix = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

func (r *Redis) validate(file *File) {
	file.needAddresses("redis.addresses", r.Addresses, "localhost:6379")
	file.need(redisPrefix.MatchString(r.Prefix), "redis.prefix", "%q: 1 to 64 of a-z A-Z 0-9 . _ : - (a brace would decide the cluster's slot)", r.Prefix)
	file.need(!r.Cluster || r.SentinelMaster == "", "redis.cluster", "true, and there is a sentinel_master: it is one or the other")
	file.need(r.SentinelMaster != "" || r.SentinelUsername == "" && !r.SentinelPassword.given(), "redis",
		"has a sentinel_username or sentinel_password and no sentinel_master")
	r.TLS.validate(file, "redis.tls")
}

// identifier is what a name in ClickHouse may be, so that no SQL quotes it.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

func (c *ClickHouse) validate(file *File) {
	file.needAddresses("clickhouse.addresses", c.Addresses, "localhost:9000")
	const names = "%q: letters, digits and _, not beginning with a digit"
	file.need(identifier.MatchString(c.Database), "clickhouse.database", names, c.Database)
	file.need(c.Cluster == "" || identifier.MatchString(c.Cluster), "clickhouse.cluster", names, c.Cluster)
	file.need(c.User != "", "clickhouse.user", "empty: name a user of ClickHouse, such as default")
	file.need(c.InsertQuorum >= 0 && c.InsertQuorum <= 100, "clickhouse.insert_quorum", "%d is not between 0 and 100", c.InsertQuorum)
	file.need(c.InsertQuorum == 0 || c.Cluster != "", "clickhouse.insert_quorum", "needs a cluster: without one, tables are not replicated")
	c.TLS.validate(file, "clickhouse.tls")
}

func (t TLS) validate(file *File, key string) {
	file.need((t.CertFile == "") == (t.KeyFile == ""), key, "cert_file and key_file go together")
	file.need(t.Enabled || t == TLS{}, key, "has settings and is not enabled: say enabled: true, or take them out")
	if t.Enabled {
		_, err := t.Client()
		file.need(err == nil, key, "%v", err)
	}
}

// listens tells whether a server can be told to listen there.
func listens(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && isPort(port)
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

func (p *Processor) validate(file *File) {
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
	lasts("stall_after", p.StallAfter, 30*time.Second, time.Hour)
	file.need(p.StallAfter >= 2*p.CommitInterval, "processor.stall_after",
		"%s is less than twice commit_interval (%s): a shard whose records change nothing would seem to stand still between two commits", p.StallAfter, p.CommitInterval)
	file.need(p.StallAfter >= 2*p.RetryMax, "processor.stall_after",
		"%s is less than twice retry_max (%s): a shard would seem to stand still while it waits for its next try", p.StallAfter, p.RetryMax)
}

type namedTopic struct{ key, name string }

func (t *Topics) all() []namedTopic {
	return []namedTopic{
		{"facts", t.Facts},
		{"referrals", t.Referrals},
		{"results", t.Results},
		{"transactions", t.Transactions},
		{"instructions", t.Instructions},
		{"dead_letters", t.DeadLetters},
	}
}

// Inputs are the names by the place of the topic in a batch.
func (t *Topics) Inputs() [rules.NumTopics]string {
	return [rules.NumTopics]string{
		rules.TopicFacts: t.Facts, rules.TopicReferrals: t.Referrals,
		rules.TopicResults: t.Results, rules.TopicTransactions: t.Transactions,
	}
}

// resolve makes file names begin where the configuration stands, as those of
// secrets do.
func (t *TLS) resolve(dir string) {
	t.CAFile, t.CertFile, t.KeyFile = under(dir, t.CAFile), under(dir, t.CertFile), under(dir, t.KeyFile)
}

// Client is nil where TLS is off.
func (t TLS) Client() (*tls.Config, error) {
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

// mechanism is nil where none is named. Its error never holds what is in the
// password, as that of the library does.
func (s SASL) mechanism() (mechanism sasl.Mechanism, err error) {
	switch s.Mechanism {
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: s.Password.Reveal()}, nil
	case "scram-sha-256":
		mechanism, err = scram.Mechanism(scram.SHA256, s.Username, s.Password.Reveal())
	case "scram-sha-512":
		mechanism, err = scram.Mechanism(scram.SHA512, s.Username, s.Password.Reveal())
	}
	if err != nil {
		return nil, errors.New("username or password hold characters that SCRAM does not allow (RFC 4013)")
	}
	return mechanism, nil
}

// Feed is how the processor reads Kafka.
func (k *Kafka) Feed(log *slog.Logger) (feed.Config, error) {
	tlsClient, err1 := k.TLS.Client()
	mechanism, err2 := k.SASL.mechanism()
	return feed.Config{
		Brokers: k.Brokers, GroupID: k.Group, ClientID: k.ClientID, Topics: k.Topics.Inputs(),
		TLS: tlsClient, SASL: mechanism, Log: log,
		SessionTimeout: k.SessionTimeout, RebalanceTimeout: k.SessionTimeout, HeartbeatInterval: k.SessionTimeout / 10,
	}, errors.Join(err1, err2)
}

// Transport is how everything else talks to Kafka.
func (k *Kafka) Transport() (*kafka.Transport, error) {
	tlsClient, err1 := k.TLS.Client()
	mechanism, err2 := k.SASL.mechanism()
	return &kafka.Transport{ClientID: k.ClientID, TLS: tlsClient, SASL: mechanism}, errors.Join(err1, err2)
}

// Look makes sure that a topic is there, for commands that should say so rather
// than wait until it is.
func (k *Kafka) Look(ctx context.Context, topic string) error {
	transport, err := k.Transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, LookTimeout)
	defer cancel()
	client := kafka.Client{Addr: kafka.TCP(k.Brokers...), Transport: transport}
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return fmt.Errorf("ask Kafka at %v for topic %s: %w", k.Brokers, topic, err)
	}
	for _, t := range answer.Topics {
		if t.Error != nil {
			return fmt.Errorf("topic %s: %w: create the topics first, or correct kafka.topics", topic, t.Error)
		}
	}
	return nil
}

func (r *Redis) Options() (accounts.Options, error) {
	tlsClient, err := r.TLS.Client()
	return accounts.Options{
		Addrs: r.Addresses, Cluster: r.Cluster, TLS: tlsClient,
		Username: r.Username, Password: r.Password.Reveal(),
		MasterName: r.SentinelMaster, SentinelUsername: r.SentinelUsername, SentinelPassword: r.SentinelPassword.Reveal(),
	}, err
}

func (c *ClickHouse) Options() (clickhouse.Options, error) {
	tlsClient, err := c.TLS.Client()
	o := clickhouse.DefaultOptions()
	o.Addresses, o.Database, o.User, o.Password, o.TLS = c.Addresses, c.Database, c.User, c.Password.Reveal(), tlsClient
	o.Cluster, o.InsertQuorum = c.Cluster, c.InsertQuorum
	return o, err
}

func (c *Config) ProcessorOptions() processor.Options {
	o := processor.DefaultOptions()
	o.Topics = c.Kafka.Topics.Inputs()
	o.AccountRefKey = []byte(c.Privacy.AccountRefKey.Reveal())
	o.MaxAccounts, o.MaxAhead = c.Processor.MaxAccounts, c.Processor.MaxAhead
	o.CommitInterval, o.RetryMax, o.DrainTimeout = c.Processor.CommitInterval, c.Processor.RetryMax, c.Processor.DrainTimeout
	return o
}

// Accounts opens the states of accounts for a look; closeStore ends the connection.
func (r *Redis) Accounts() (store *accounts.Store, closeStore func() error, err error) {
	client, err := r.Connect()
	if err != nil {
		return nil, nil, err
	}
	if store, err = accounts.New(client, r.Prefix); err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return store, client.Close, nil
}

func (r *Redis) Connect() (redis.UniversalClient, error) {
	o, err := r.Options()
	if err != nil {
		return nil, err
	}
	return accounts.Connect(o), nil
}

// LookTimeout is how long a command that only looks waits for the first answer
// of a server.
const LookTimeout = 15 * time.Second
