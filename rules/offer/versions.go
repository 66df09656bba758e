package offer

import (
	"ristourne/rules"
)

// Versioned is what has versions in a catalogue.
type Versioned interface {
	Programme | Partner | Campaign
}

// VersionOf gives a version's subject and the version itself.
func VersionOf[V Versioned](v *V) (id string, version Version) {
	switch v := any(v).(type) {
	case *Programme:
		return v.ID, v.Version
	case *Partner:
		return v.ID, v.Version
	case *Campaign:
		return v.ID, v.Version
	}
	return "", Version{}
}

// InForceAt is the version of a subject in force at t; nil: none is.
func InForceAt[V Versioned](all []V, id string, t rules.Instant) *V {
	var found *V
	var latest rules.Instant
	for i := range all {
		is, version := VersionOf(&all[i])
		if is == id && !version.From.After(t) && (found == nil || !version.From.Before(latest)) {
			found, latest = &all[i], version.From
		}
	}
	if found != nil {
		if _, version := VersionOf(found); version.Ended {
			return nil
		}
	}
	return found
}
