package main

import "github.com/spf13/cobra"

func newWhyCommand() *cobra.Command { return &cobra.Command{Use: "why"} }
