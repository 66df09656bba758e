package localservers

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// kfakeBroker is a broker inside this process.
type kfakeBroker struct {
	port   int
	folder *folder // nil: what it holds goes with it

	mu      sync.Mutex
	cluster *kfake.Cluster // nil once it is closed
}

func startKfake(o Options) (*Kafka, error) {
	b := &kfakeBroker{}
	if o.DataDir != "" {
		folder, err := openFolder(o, "kafka")
		if err != nil {
			return nil, err
		}
		b.folder = folder
	}
	if err := b.openOnFreePort(); err != nil {
		return nil, errors.Join(fmt.Errorf("start embedded Kafka: %w", err), b.close())
	}
	return &Kafka{Brokers: []string{localAddr(b.port)}, broker: b}, nil
}

func (b *kfakeBroker) openOnFreePort() error {
	var err error
	for range startAttempts {
		ports, portErr := freePorts(1)
		if portErr != nil {
			return portErr
		}
		b.port = ports[0]
		if err = b.open(); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return err
}

func (b *kfakeBroker) open() error {
	options := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(b.port),
		kfake.ClusterID(kafkaClusterID),
		kfake.GroupMinSessionTimeout(minSessionTimeout),
	}
	if b.folder != nil {
		options = append(options, kfake.DataDir(filepath.Join(b.folder.path, "kfake")))
	}
	var err error
	b.cluster, err = kfake.NewCluster(options...)
	return err
}

func (b *kfakeBroker) restart(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.folder == nil {
		return errors.New("restart embedded Kafka: it would forget everything: set Options.DataDir")
	}
	if b.cluster != nil {
		b.cluster.Close()
	}
	if err := b.open(); err != nil {
		return fmt.Errorf("restart embedded Kafka: %w", err)
	}
	return nil
}

func (b *kfakeBroker) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cluster != nil {
		b.cluster.Close()
		b.cluster = nil
	}
	if b.folder == nil {
		return nil
	}
	return b.folder.close()
}

func (b *kfakeBroker) process() *process { return nil }
