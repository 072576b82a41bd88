// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// ID is a request id kept as the bytes that were received: a JSON string or an
// integer. The zero ID means "no id". IDs are comparable; "1" and 1 differ, and
// integers of any size are exact.
type ID struct{ raw string }

// IntID returns the id with the given integer value.
func IntID(n int64) ID { return ID{strconv.FormatInt(n, 10)} }

// StringID returns the id with the given string value.
func StringID(s string) ID {
	raw, err := jsontext.AppendQuote(nil, s)
	if err != nil { // invalid UTF-8: the replacement characters are already in raw
		return ID{string(raw)}
	}
	return ID{string(raw)}
}

// ParseID reads an id from its JSON form. It refuses null, fractions, exponents,
// and anything that is not a string or an integer.
//
// spec 2025-11-25 basic: "The ID MUST be a string or integer and MUST NOT be null".
func ParseID(raw []byte) (ID, error) {
	if len(raw) > 0 && len(raw) <= maxIDBytes && raw[0] == '"' {
		if v := Raw(raw); !v.IsValid() || raw[len(raw)-1] != '"' {
			return ID{}, errIDKind
		}
	}
	return parseID(raw)
}

// parseID is ParseID for what is known to be valid JSON without space around it.
func parseID(raw []byte) (ID, error) {
	if len(raw) == 0 {
		return ID{}, errIDMissing
	}
	switch c := raw[0]; {
	case c == '"':
		if len(raw) > maxIDBytes {
			return ID{}, errIDTooLong
		}
		return ID{string(raw)}, nil
	case c == '-' || c >= '0' && c <= '9':
		if len(raw) > maxIDBytes {
			return ID{}, errIDTooLong
		}
		if !isInteger(raw) {
			return ID{}, errIDFraction
		}
		return ID{string(raw)}, nil
	case c == 'n':
		return ID{}, errIDNull
	}
	return ID{}, errIDKind
}

// maxIDBytes bounds one id: ids are kept in tables and echoed, and no client
// needs more than a UUID's length.
const maxIDBytes = 1024

// isInteger reports whether raw is a JSON integer: no leading zero, fraction or exponent.
func isInteger(raw []byte) bool {
	digits := raw
	if digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// IsZero reports whether the id is absent.
func (id ID) IsZero() bool { return id.raw == "" }

// Raw returns the id as JSON, or nil when absent.
func (id ID) Raw() Raw {
	if id.raw == "" {
		return nil
	}
	return Raw(id.raw)
}

// String returns the id as JSON, for logs and map keys.
func (id ID) String() string { return id.raw }

// Int returns the value of an integer id that fits 64 bits.
func (id ID) Int() (int64, bool) {
	n, err := strconv.ParseInt(id.raw, 10, 64)
	return n, err == nil
}

// MarshalJSON returns the id as received; an absent id is null.
func (id ID) MarshalJSON() ([]byte, error) {
	if id.raw == "" {
		return []byte("null"), nil
	}
	return []byte(id.raw), nil
}

// UnmarshalJSON reads an id by the rules of [ParseID].
func (id *ID) UnmarshalJSON(raw []byte) error {
	parsed, err := ParseID(raw)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
