package main

import "github.com/spf13/cobra"

func offersConnections() int               { return 0 }
func newOffersCommand(int) *cobra.Command  { return &cobra.Command{Use: "offers"} }
func newWhyCommand() *cobra.Command        { return &cobra.Command{Use: "why"} }
