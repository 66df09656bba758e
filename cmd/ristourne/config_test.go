package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ristourne/cmd/internal/config"
	"ristourne/rules/offer"
)

var update = flag.Bool("update", false, "rewrite the expected texts under testdata/bad-config, testdata/members and testdata/simulate")

// checkGolden compares got with the text in the file, or rewrites it.
func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: go test -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -update rewrites it)\n got:\n%s\nwant:\n%s", path, got, want)
	}
}

// command runs a whole command line.
func command(t *testing.T, stdin string, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRootCommand()
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	code = execute(t.Context(), root, arguments)
	return out.String(), errs.String(), code
}

const (
	goodSecret = "a secret that is long enough: 0123456789"
	// scramRefuses holds a character that RFC 4013 forbids.
	scramRefuses = "a secret with \u0007 in it"
)

// TestMain sets the secrets that configurations name. No test changes one: they run
// beside each other.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"GOOD_SECRET": goodSecret, "OTHER_SECRET": "another secret, of 32 bytes too..", "RISTOURNE_ACCOUNT_REF_KEY": goodSecret,
		"SHORT_SECRET": "only 18 characters", "SECRET_THAT_SCRAM_REFUSES": scramRefuses,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// Every fault is told at once, with its place and what to do, and no fault tells
// a secret, be it where it belongs or not.
func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	const dir = "../../testdata/bad-config"
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no bad configurations", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			stdout, stderr, code := command(t, "", "config", "check", file)
			if code != exitFailed {
				t.Errorf("config check exits %d, want %d", code, exitFailed)
			}
			for _, secret := range []string{"hunter2", goodSecret, "only 18 characters", "\u0007"} {
				if strings.Contains(stdout+stderr, secret) {
					t.Errorf("the secret %q is told:\n%s%s", secret, stdout, stderr)
				}
			}
			for line := range strings.Lines(stdout) {
				if !regexp.MustCompile(`^\S+\.yaml:\d+:\d+: .+\n$`).MatchString(line) {
					t.Errorf("a fault without its place: %q", line)
				}
			}
			if n := fmt.Sprintf("%s in ", offer.Counted(strings.Count(stdout, "\n"), "fault")); !strings.HasPrefix(stderr, n) {
				t.Errorf("stderr is %q, want %q first", stderr, n)
			}
			checkGolden(t, strings.TrimSuffix(file, ".yaml")+".want.txt", strings.ReplaceAll(stdout, dir+"/", ""))

			// Every command that needs the configuration tells the same.
			_, err := config.Load(file)
			if err == nil || !strings.HasSuffix(err.Error(), strings.TrimSuffix(stdout, "\n")) {
				t.Errorf("loadConfig tells other faults: %v", err)
			}
		})
	}
}

func TestAConfigurationThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{
		{"config", "check", "no-such-file.yaml"},
		{"config", "check", t.TempDir()},
		{"run", "--config", "no-such-file.yaml"},
	} {
		if _, stderr, code := command(t, "", arguments...); code != exitFailed || !strings.Contains(stderr, "read the configuration") {
			t.Errorf("%v exits %d and says %q", arguments, code, stderr)
		}
	}
	huge := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(huge, bytes.Repeat([]byte("# \n"), config.MaxBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(huge); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a huge configuration gives %v", err)
	}
}

// writeExample puts the example with its secrets in place into a folder. all
// takes the comment marks off what is commented out.
func writeExample(t *testing.T, all bool) string {
	t.Helper()
	text, _, code := command(t, "", "config", "example")
	if code != 0 {
		t.Fatalf("config example exits %d", code)
	}
	if all {
		text = uncommented(text)
	}
	path := filepath.Join(t.TempDir(), "ristourne.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// uncommented takes the marks off the lines of keys.
func uncommented(text string) string {
	return regexp.MustCompile(`(?m)^( *)# ( *(?:- )?[a-z_]+:.*)$`).ReplaceAllString(text, "$1$2")
}

func TestTheExampleIsAConfiguration(t *testing.T) {
	t.Parallel()
	path := writeExample(t, false)
	stdout, stderr, code := command(t, "", "config", "check", path)
	if code != 0 || stdout != path+": no faults\n" || stderr != "" {
		t.Errorf("config check of the example exits %d: %s%s", code, stdout, stderr)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	// Beyond what has no default, the example says the defaults.
	want := config.Default()
	want.Kafka.Brokers, want.Redis.Addresses, want.ClickHouse.Addresses = c.Kafka.Brokers, c.Redis.Addresses, c.ClickHouse.Addresses
	want.Privacy = c.Privacy
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the example says\n%+v, want\n%+v", c, want)
	}
}

// What is commented out in the example is what the program takes: every key of
// the configuration, none that it doesn't know, and the defaults.
func TestTheExampleHasEveryKey(t *testing.T) {
	t.Parallel()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(uncommented(exampleConfig)), &document); err != nil {
		t.Fatal(err)
	}
	stated := map[string]string{}
	keysOfYAML("", document.Content[0], stated)
	known := map[string]reflect.Value{}
	keysOfStruct("", reflect.ValueOf(config.Default()).Elem(), known)
	for key := range known {
		if _, ok := stated[key]; !ok && !strings.Contains(key, ".tls.") { // one tls shows all that one may say
			t.Errorf("example.yaml does not have %s", key)
		}
	}
	for _, key := range []string{"enabled", "ca_file", "cert_file", "key_file", "server_name"} {
		if _, ok := stated["kafka.tls."+key]; !ok {
			t.Errorf("example.yaml does not have kafka.tls.%s", key)
		}
	}
	for key, value := range stated {
		field, ok := known[key]
		if !ok {
			t.Errorf("example.yaml has %s, which is no key", key)
			continue
		}
		if def := fmt.Sprint(field); !field.IsZero() && field.Kind() != reflect.Slice && def != value && def != value+"0s" && def != value+"0m0s" && def != strings.Replace(value, "m", "m0s", 1) {
			t.Errorf("example.yaml says %s: %s, and the default is %s", key, value, def)
		}
	}
}

func keysOfYAML(key string, node *yaml.Node, into map[string]string) {
	if node.Kind != yaml.MappingNode || len(node.Content) == 2 && (node.Content[0].Value == "file" || node.Content[0].Value == "env") {
		into[strings.TrimPrefix(key, ".")] = node.Value
		return
	}
	for i := 0; i < len(node.Content); i += 2 {
		keysOfYAML(key+"."+node.Content[i].Value, node.Content[i+1], into)
	}
}

func keysOfStruct(key string, v reflect.Value, into map[string]reflect.Value) {
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[config.Secret]() {
		into[strings.TrimPrefix(key, ".")] = v
		return
	}
	for i := range v.NumField() {
		keysOfStruct(key+"."+v.Type().Field(i).Tag.Get("yaml"), v.Field(i), into)
	}
}

// TestSecretsAreNeverPrinted prints a configuration in every way there is.
func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ristourne.yaml")
	key := filepath.Join(t.TempDir(), "key")
	text := fmt.Sprintf(`
kafka: {brokers: [a:1], sasl: {mechanism: plain, username: u, password: {env: GOOD_SECRET}}}
redis: {addresses: [a:1], password: {env: GOOD_SECRET}, sentinel_master: m, sentinel_password: {env: GOOD_SECRET}}
clickhouse: {addresses: [a:1], password: {env: GOOD_SECRET}}
privacy: {account_ref_key: {file: %s}}
`, key)
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.WriteFile(key, []byte(goodSecret+"\r\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Privacy.AccountRefKey.Reveal() != goodSecret || c.Redis.Password.Reveal() != goodSecret {
		t.Error("the secrets were not read as they are")
	}
	hidden := struct{ s config.Secret }{c.Redis.Password} // fmt can't ask a field that is not exported
	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
		for _, value := range []any{c, *c, c.Kafka.SASL, &c.Kafka.SASL, c.Redis.Password, &c.Redis.Password, hidden, &hidden} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
	}
	fmt.Fprintln(&printed, fmt.Errorf("with %w and %v", errors.New("x"), c.Redis))
	for _, handler := range []slog.Handler{slog.NewTextHandler(&printed, nil), slog.NewJSONHandler(&printed, nil)} {
		slog.New(handler).Info("m", "config", c, "sasl", c.Kafka.SASL, "secret", c.Redis.Password, "error", fmt.Errorf("%v", c), "hidden", hidden)
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		for _, value := range []any{c, c.Redis.Password} {
			text, err := marshal(value)
			if err != nil {
				t.Error(err)
			}
			printed.Write(text)
		}
	}
	for _, shown := range []string{goodSecret, fmt.Sprintf("%x", goodSecret), fmt.Sprintf("%X", goodSecret), fmt.Sprintf("%d", []byte(goodSecret))} {
		if strings.Contains(printed.String(), shown) {
			t.Errorf("a secret is printed, as %q", shown)
		}
	}
	wantText(t, printed.String(), "(from environment GOOD_SECRET)", "(from file "+key+")")
}
