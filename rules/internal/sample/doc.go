// Package sample makes small catalogues for tests of the rules.
package sample
