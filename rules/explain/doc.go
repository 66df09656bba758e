// Package explain is the answer to why a purchase earned what it earned, or
// nothing: as a value for programs and as text for people. The engine fills it in.
package explain
