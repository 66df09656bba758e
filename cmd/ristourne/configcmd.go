package main

import (
	_ "embed"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/rules/offer"
)

//go:embed example.yaml
var exampleConfig string

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show an example configuration, or check one",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:     "example",
			Short:   "Print a configuration with every key, its default and what it means",
			Example: "  ristourne config example > ristourne.yaml",
			Args:    args(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := fmt.Fprint(cmd.OutOrStdout(), exampleConfig)
				return err
			},
		},
		&cobra.Command{
			Use:   "check FILE",
			Short: "Find every fault in a configuration",
			Long: `Find every fault in a configuration, the secrets and certificates that it names
included. Each is told as file:line:column: what is wrong, and what to do. No
server is asked.

Exit code 0: no fault. 1: faults.`,
			Args: args(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, given []string) error {
				return checkConfig(cmd.OutOrStdout(), cmd.ErrOrStderr(), given[0])
			},
		},
	)
	return cmd
}

// checkConfig prints faults to stdout: they are what was asked for.
func checkConfig(stdout, stderr io.Writer, path string) error {
	_, file, err := config.Read(path)
	if err != nil {
		return err
	}
	if err := file.Err(); err != nil {
		fmt.Fprintf(stderr, "%s in %s\n", offer.Counted(len(file.Faults), "fault"), path)
		fmt.Fprintln(stdout, err)
		return errReported
	}
	_, err = fmt.Fprintln(stdout, path+": no faults")
	return err
}
