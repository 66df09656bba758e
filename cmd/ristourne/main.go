// Command ristourne is the card-linked cashback stream processor and the tools
// around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
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
	os.Exit(execute(ctx, newRootCommand(), os.Args[1:]))
}

func execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(root.ErrOrStderr(), "ristourne: %v\nTry --help.\n", err)
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
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newRunCommand(),
		newSimulateCommand(),
		newOffersCommand(offersConnections()),
		newMembersCommand(),
		newWhyCommand(),
		newDeadLettersCommand(),
		newRebuildCommand(),
		newConfigCommand(),
	)
	return root
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
