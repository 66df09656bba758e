package main

import (
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"
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
			Use:   "example",
			Short: "Print a configuration with every key, its default and what it means",
			Args:  args(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := fmt.Fprint(cmd.OutOrStdout(), exampleConfig)
				return err
			},
		},
		&cobra.Command{
			Use:   "check FILE",
			Short: "Check a configuration: every fault with file:line:column, exit 1 if there is one",
			Args:  args(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, given []string) error {
				if _, err := loadConfig(given[0]); err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					return errReported
				}
				fmt.Fprintln(cmd.OutOrStdout(), given[0]+": no faults")
				return nil
			},
		},
	)
	return cmd
}
