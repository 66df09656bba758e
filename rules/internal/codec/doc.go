// Package codec writes and reads values in few bytes: what the binary forms of
// records and account states are made of.
package codec
