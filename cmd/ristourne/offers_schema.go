package main

import (
	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
)

func newOffersSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of offer files, for editors",
		Long: `Print the JSON Schema of offer files. An editor that knows it completes keys,
tells what each is for, and marks what can't be read while a file is written.
What a file must be beside others, ` + "`ristourne offers validate`" + ` tells.

In VS Code, install the extension YAML by Red Hat (yaml-language-server), and write
the schema beside the offers:

  ristourne offers schema > offers.schema.json

Then either name it in .vscode/settings.json of the workspace:

  {"yaml.schemas": {"./offers.schema.json": ["offers/**/*.yaml"]}}

or, in any editor with yaml-language-server, on top of each file:

  # yaml-language-server: $schema=../offers.schema.json

It belongs to this version of ristourne: print it anew after an upgrade.`,
		Example: "  ristourne offers schema > offers.schema.json",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := catalog.Schema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
