package clickhouse

import (
	"errors"
	"fmt"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"

	"ristourne/rules"
)

// ErrPermanent is wrapped by errors that trying again does not mend: somebody
// must act. Every other error may pass by itself.
var ErrPermanent = rules.ErrNeedsPerson

// ErrClosed answers calls on a ledger that was closed.
var ErrClosed = errors.New("ledger is closed")

// advice is what to do about those answers of a server that trying again does
// not change; empty for all others.
func advice(code proto.Error) string {
	switch code {
	case proto.ErrUnknownTable, proto.ErrUnknownDatabase, proto.ErrNoSuchColumnInTable,
		proto.ErrUnknownIdentifier, proto.ErrTypeMismatch:
		return "the tables are not those of this version: run the migrations"
	case proto.ErrAuthenticationFailed, proto.ErrUnknownUser, proto.ErrWrongPassword, proto.ErrRequiredPassword:
		return "check the user and password of ClickHouse in the configuration"
	case proto.ErrAccessDenied, proto.ErrDatabaseAccessDenied:
		return "grant the user SELECT and INSERT on the database, and to migrate CREATE, ALTER and DROP VIEW"
	case proto.ErrReadonly:
		return "the user's profile is readonly: give it one that may write"
	case proto.ErrUnknownSetting:
		return "this server does not know a setting: ClickHouse 24.8 or newer is needed"
	case proto.ErrSettingConstraintViolation:
		return "the user's profile forbids a setting that booking needs: lift the constraint"
	default:
		return ""
	}
}

// explain adds to an answer of the server what to do about it.
func explain(err error) error {
	var code proto.Error
	var ofWriter *chgo.Exception
	var ofReader *clickhouse.Exception
	switch {
	case errors.As(err, &ofWriter):
		code = ofWriter.Code
	case errors.As(err, &ofReader):
		code = proto.Error(ofReader.Code)
	default:
		return err
	}
	if what := advice(code); what != "" {
		return fmt.Errorf("%w: %s: %w", ErrPermanent, what, err)
	}
	return err
}
