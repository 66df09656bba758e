package localservers

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/segmentio/kafka-go"
)

//go:embed kafka/pom.xml
var kafkaPOM embed.FS

//go:embed kafka/server.properties
var kafkaProperties embed.FS

// kafkaClusterID is any UUID, in the form in which Kafka writes one.
const kafkaClusterID = "cmlzdG91cm5lLXBhcnRzMQ"

// apacheKafka is a broker that is a process of its own.
type apacheKafka struct {
	proc   *process
	folder *folder
}

func startApacheKafka(ctx context.Context, o Options) (*Kafka, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errors.New("start Kafka: java is not on PATH: install a Java 17 or newer runtime (Debian: apt-get install openjdk-17-jre-headless)")
	}
	jars, err := fetchKafka(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("get Kafka: %w", err)
	}
	folder, err := openFolder(o, "kafka")
	if err != nil {
		return nil, err
	}
	k := &Kafka{}
	properties := filepath.Join(folder.path, "server.properties")
	b := &apacheKafka{folder: folder}
	b.proc = &process{
		name: "Kafka",
		dir:  folder.path,
		command: func() *exec.Cmd {
			return javaCommand(java, jars, "kafka.Kafka", properties)
		},
		ready: func(ctx context.Context) error { return kafkaServes(ctx, k.Brokers) },
	}
	k.broker = b

	configure := func() error {
		ports, err := freePorts(2)
		if err != nil {
			return err
		}
		k.Brokers = []string{localAddr(ports[0])}
		values := struct{ Port, ControllerPort int }{ports[0], ports[1]}
		if err := writeTemplate(kafkaProperties, "kafka/server.properties", properties, values); err != nil {
			return fmt.Errorf("configure Kafka: %w", err)
		}
		format := javaCommand(java, jars, "kafka.tools.StorageTool",
			"format", "--ignore-formatted", "--cluster-id", kafkaClusterID, "--config", properties)
		format.Dir = folder.path
		if err := runCommand(format); err != nil {
			return fmt.Errorf("format Kafka's data folder: %w", err)
		}
		return nil
	}
	if err := b.proc.startOnFreePorts(ctx, configure); err != nil {
		return nil, errors.Join(err, folder.close())
	}
	return k, nil
}

// fetchKafka has Maven fetch Kafka's jars once, and gives their folder.
func fetchKafka(ctx context.Context, o Options) (string, error) {
	pom, err := kafkaPOM.ReadFile("kafka/pom.xml")
	if err != nil {
		return "", err
	}
	dir, err := cached(ctx, o, "kafka-"+shortHash(pom), func(ctx context.Context, dir string) error {
		maven, err := exec.LookPath("mvn")
		if err != nil {
			return errors.New("mvn is not on PATH, which fetches Kafka's jars: install Maven (Debian: apt-get install maven)")
		}
		if err := copyFiles(kafkaPOM, "kafka", dir); err != nil {
			return err
		}
		o.Log("downloading Apache Kafka, 54 MB, once, into %s", o.CacheDir)
		started := time.Now()
		if err := runTool(ctx, dir, maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"); err != nil {
			return err
		}
		o.Log("downloaded Apache Kafka in %s", time.Since(started).Round(time.Second))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("fetch its jars: %w", err)
	}
	return filepath.Join(dir, "lib"), nil
}

// javaCommand runs a class of Kafka's jars; it prints errors and nothing else.
func javaCommand(java, jars, class string, args ...string) *exec.Cmd {
	return exec.Command(java, append([]string{
		"-Xms128m", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		"-cp", filepath.Join(jars, "*"), class,
	}, args...)...)
}

// kafkaServes asks for a group's coordinator, which answers when the broker is
// up and has made the topic in which it keeps the groups' offsets.
func kafkaServes(ctx context.Context, brokers []string) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	client, closeClient := kafkaClient(brokers)
	defer closeClient()
	answer, err := client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{
		Addr: client.Addr, Key: "ristourne-parts", KeyType: kafka.CoordinatorKeyTypeConsumer,
	})
	if err != nil {
		return err
	}
	return answer.Error
}

func (b *apacheKafka) restart(ctx context.Context) error { return b.proc.restart(ctx) }
func (b *apacheKafka) close() error                      { return b.proc.close(b.folder) }
func (b *apacheKafka) process() *process                 { return b.proc }
