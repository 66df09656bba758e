// Command ristourne is the card-linked cashback stream processor and the tools
// around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"ristourne/rules"
)

// Exit codes: 0 done, 1 it did not work or faults were found, 2 the command
// line was wrong.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errReported says that everything worth saying was printed already.
var errReported = errors.New("reported")

// usageError is a fault of the command line itself.
type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends a command that is slow to stop.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, newRootCommand(), os.Args[1:]))
}

func execute(ctx context.Context, root *cobra.Command, args []string) int {
	logRedis(slog.Default())
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(root.ErrOrStderr(), "ristourne: %v\nTry `%s --help`.\n", err, cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(root.ErrOrStderr(), "ristourne: %v\n", err)
	return exitFailed
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ristourne",
		Short: "Card-linked cashback on a bank's transaction stream",
		Long: `Ristourne reads a bank's card events from Kafka, matches them with partner
offers, books signed accruals in ClickHouse and tells the bank what to credit.

To see it at work on one machine, run the sandbox: make sandbox`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		// cobra checks needed flags itself, but later, and as a common error.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateRequiredFlags(); err != nil {
				return usageError{err}
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newRunCommand(),
		newSimulateCommand(),
		newOffersCommand(offersConnections()),
		newCampaignsCommand(offersConnections()),
		newMembersCommand(),
		newWhyCommand(),
		newDeadLettersCommand(),
		newRebuildCommand(),
		newRepairCommand(), newSettleCommand(), newInstructionsCommand(), newAdjustCommand(), newResultsCommand(),
		newInvoicesCommand(), newAuditCommand(), newCompareCommand(),
		newOffsetsCommand(),
		newOutboxCommand(),
		newCheckCommand(),
		newMoveCommand(),
		newConfigCommand(),
	)
	for _, cmd := range append(root.Commands(), root) {
		if cmd.HasSubCommands() && cmd.RunE == nil {
			cmd.Args, cmd.RunE = knownCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// knownCommand refuses a word after a group of commands that is none of them.
func knownCommand(cmd *cobra.Command, given []string) error {
	if len(given) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", given[0], cmd.CommandPath())
	if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
		err = fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
	}
	return usageError{err}
}

// version is that of the build and of the rules, which every line carries.
func version() string {
	build := "unknown build"
	if info, ok := debug.ReadBuildInfo(); ok {
		build = info.Main.Version
	}
	return fmt.Sprintf("%s, rules %s", build, rules.EngineVersion)
}

// args checks the number of arguments as a fault of the command line.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// outputFlag adds --output text|json.
func outputFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "output", "text", "text or json")
	former := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, given []string) error {
		if *into != "text" && *into != "json" {
			return usageError{fmt.Errorf("--output %q: text or json", *into)}
		}
		if former != nil {
			return former(cmd, given)
		}
		return nil
	}
}

// configFlag adds --config FILE, which is needed.
func configFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "config", "", "configuration file (see `ristourne config example`)")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag was added the line before
	}
}

// logRedis sends what go-redis says by itself to log. It says at once what
// every command that needed the connection gives back as its error, so it is
// for those who look closely.
func logRedis(log *slog.Logger) { redis.SetLogger(redisLog{log}) }

type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, v...))
	}
}
