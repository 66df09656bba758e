package published

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

// patience bounds what a test waits for; only a failing one waits that long.
const patience = 20 * time.Second

// watch runs a watcher and gives the channel that tells how it ended.
func watch(t *testing.T, client redis.UniversalClient, options WatcherOptions) (*Watcher, <-chan error) {
	t.Helper()
	options.Prefix = prefix
	if options.Log == nil {
		options.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	w := NewWatcher(client, options)
	ctx, cancel := context.WithCancel(context.Background())
	ended, stopped := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(stopped)
		ended <- w.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-stopped })
	return w, ended
}

func wait(t *testing.T, w *Watcher) *View {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return w.Current()
}

// until waits for a view that is as wanted.
func until(t *testing.T, w *Watcher, wanted func(*View) bool) *View {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if v := w.Current(); v != nil && wanted(v) {
			return v
		}
	}
	t.Fatalf("the watcher never got there: %+v", w.Current())
	return nil
}

func eventAt(mid string, at rules.Instant) *rules.Event {
	return &rules.Event{Type: rules.Clearing, Merchant: rules.Merchant{ID: mid}, OccurredAt: at}
}

// lines is a log that is read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// looks counts what a client asks of Redis: a watcher that finds nothing new asks
// once a look.
type looks struct{ begun atomic.Int64 }

func countLooks(client redis.UniversalClient) *looks {
	l := new(looks)
	client.AddHook(l)
	return l
}

func (l *looks) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *looks) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		l.begun.Add(1)
		return next(ctx, cmd)
	}
}

func (l *looks) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// waitForWhole waits until a look that begins from now on has been made and its
// outcome told: then the next but one begins.
func (l *looks) waitForWhole(t *testing.T) {
	t.Helper()
	before := l.begun.Load()
	localserverstest.WaitUntil(t, "the watcher looks again", func() bool { return l.begun.Load() >= before+2 })
}

func TestAnEmptyRedisIsWaitedFor(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	log, looks := new(lines), countLooks(client)
	w, _ := watch(t, client, WatcherOptions{Poll: 10 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	looks.waitForWhole(t)
	if w.Current() != nil {
		t.Fatal("an empty Redis was taken for a catalogue without offers")
	}
	// What is held here is the line itself: a look has several commands, so that
	// the next one's first may come before it.
	localserverstest.WaitUntil(t, "the log says what is waited for", func() bool { return strings.Contains(log.String(), "no catalogue is published") })
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	view := wait(t, w)
	if m, ok := view.Match(eventAt("M-a", rules.InstantOf(noon))); !ok || m.PartnerID != "a" {
		t.Errorf("matched %+v, %v", m, ok)
	}
	if age, ever := w.Age(); !ever || age > patience {
		t.Errorf("the view is %s old (%v)", age, ever)
	}
}

func TestAnUnreachableRedisIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := localserverstest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	unreachable := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { unreachable.Close() })
	log, looks := new(lines), countLooks(unreachable)
	w, _ := watch(t, unreachable, WatcherOptions{Poll: 10 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	looks.waitForWhole(t)
	if !strings.Contains(log.String(), "waiting for a catalogue") {
		t.Errorf("the log doesn't say what is waited for: %s", log)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Wait(ctx); !errors.Is(err, context.Canceled) || w.Current() != nil {
		t.Fatalf("Wait says %v with view %+v", err, w.Current())
	}
}

func TestANudgeSavesThePoll(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	w, _ := watch(t, client, WatcherOptions{Poll: time.Hour})
	wait(t, w)
	// The subscription may still be on its way: publish until it is heard.
	for percent := 4; w.Current().Number < 2; percent++ {
		mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", percent%20, "")}), PublishOptions{})
		time.Sleep(time.Millisecond)
		if percent > 10_000 {
			t.Fatal("no nudge was heard")
		}
	}
}

func TestALostNudgeCostsAPoll(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	w := NewWatcher(client, WatcherOptions{Prefix: prefix, Poll: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	w.keys.nudge = "a channel that nobody nudges"
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go w.Run(ctx)
	first := wait(t, w)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 4, "")}), PublishOptions{})
	second := until(t, w, func(v *View) bool { return v.Number == 2 })
	if second.Snapshot == first.Snapshot || second.Hash == first.Hash {
		t.Error("the second version has the first one's snapshot")
	}
}

func TestAViewIsCompleteForTheLeadOfPublishing(t *testing.T) {
	t.Parallel()
	client, server := newClock(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	w, _ := watch(t, client, WatcherOptions{Poll: time.Millisecond})
	first := wait(t, w)
	if want := rules.InstantOf(noon.Add(6 * time.Minute)); first.CompleteUntil != want {
		t.Errorf("complete until %s, want %s", first.CompleteUntil, want)
	}
	server.SetTime(noon.Add(time.Hour))
	later := until(t, w, func(v *View) bool { return v.CompleteUntil == rules.InstantOf(noon.Add(time.Hour+6*time.Minute)) })
	if later.Snapshot != first.Snapshot {
		t.Error("the same version was compiled twice")
	}
}

// An emptied Redis is no fork: the catalogue may be brought back. Until then the
// old view stands and gets no more complete.
func TestAnEmptiedRedisKeepsTheView(t *testing.T) {
	t.Parallel()
	client, server := newClock(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	log, looks := new(lines), countLooks(client)
	w, _ := watch(t, client, WatcherOptions{Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	wait(t, w)
	server.FlushAll()
	looks.waitForWhole(t)
	if !strings.Contains(log.String(), "can't be looked up") {
		t.Errorf("nobody says that the catalogue is gone: %s", log)
	}
	before := w.Current()
	server.SetTime(noon.Add(time.Hour))
	if _, ok := w.Current().Match(eventAt("M-a", rules.InstantOf(noon))); !ok || w.Current().CompleteUntil != before.CompleteUntil {
		t.Errorf("the view is now %+v", w.Current())
	}
}

func TestAnotherHistoryStopsTheWatcher(t *testing.T) {
	t.Parallel()
	k := keysOf(prefix)
	cases := []struct {
		name   string
		rewind func(ctx context.Context, client redis.UniversalClient) error
		want   error
	}{
		{"another version of the same number", func(ctx context.Context, client redis.UniversalClient) error {
			return client.HSet(ctx, k.head, "hash", strings.Repeat("0", 64)).Err()
		}, errFork},
		{"an older version", func(ctx context.Context, client redis.UniversalClient) error {
			return client.HSet(ctx, k.head, "number", 1).Err()
		}, errFork},
		{"a newer version on another one", func(ctx context.Context, client redis.UniversalClient) error {
			body := publication{Format: bodyFormat, Number: 3, Previous: strings.Repeat("0", 64)}
			v, err := body.seal()
			if err != nil {
				return err
			}
			return errors.Join(client.HSet(ctx, k.versions, 3, v.Body).Err(), client.HSet(ctx, k.head, "number", 3, "hash", v.Hash).Err())
		}, errFork},
		{"a newer version over another one of those that were read", func(ctx context.Context, client redis.UniversalClient) error {
			versions, err := History(ctx, client, prefix)
			if err != nil {
				return err
			}
			second, err := (&publication{Format: bodyFormat, Number: 2, Previous: versions[0].Hash}).seal()
			if err != nil {
				return err
			}
			third, err := (&publication{Format: bodyFormat, Number: 3, Previous: second.Hash}).seal()
			if err != nil {
				return err
			}
			_, err = client.TxPipelined(ctx, func(together redis.Pipeliner) error {
				together.HSet(ctx, k.versions, 2, second.Body, 3, third.Body)
				together.HSet(ctx, k.head, "number", 3, "hash", third.Hash)
				return nil
			})
			return err
		}, errFork},
		{"a version that is missing", func(ctx context.Context, client redis.UniversalClient) error {
			return client.HSet(ctx, k.head, "number", 3).Err()
		}, errBroken},
		{"a version that is garbage", func(ctx context.Context, client redis.UniversalClient) error {
			return errors.Join(client.HSet(ctx, k.versions, 3, "garbage").Err(), client.HSet(ctx, k.head, "number", 3).Err())
		}, errBroken},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			client, _ := newClock(t)
			mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
			mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 4, "")}), PublishOptions{})
			w, ended := watch(t, client, WatcherOptions{Poll: time.Millisecond})
			wait(t, w)
			if err := c.rewind(context.Background(), client); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if !errors.Is(err, c.want) {
					t.Errorf("ended with %v, want %v", err, c.want)
				}
			case <-time.After(patience):
				t.Error("the watcher goes on")
			}
		})
	}
}

// A command that has ended must not log or ask anything any more.
func TestAWatcherHasEndedOnceItIsStopped(t *testing.T) {
	t.Parallel()
	client, _ := newClock(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	for range 20 { // at whatever moment of its first look
		w := NewWatcher(client, WatcherOptions{Log: slog.New(slog.DiscardHandler)})
		w.Start(t.Context())()
		select {
		case <-w.ended:
		default:
			t.Fatal("it is stopped and still runs")
		}
	}
}
