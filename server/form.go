// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"log/slog"
	"math/big"
	"net/url"
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// form is how values of a type look in JSON.
type form struct {
	schema *jsonschema.Schema
	made   bool // by [jsonform.Forms]: package json has none, or not one that is meant
}

// wellKnown are the types of the standard library whose form says more than
// their methods do.
var wellKnown = map[reflect.Type]form{
	reflect.TypeFor[time.Time]():  {schema: &jsonschema.Schema{Type: "string", Format: "date-time"}},
	reflect.TypeFor[big.Int]():    {schema: &jsonschema.Schema{Type: "integer"}},
	reflect.TypeFor[slog.Level](): {schema: &jsonschema.Schema{Type: "string"}},
	reflect.TypeFor[time.Duration](): {made: true, schema: &jsonschema.Schema{
		Type: "string", Description: "a duration, such as 1h30m or 250ms",
		Pattern: `^[-+]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`,
	}},
	reflect.TypeFor[url.URL](): {made: true, schema: &jsonschema.Schema{Type: "string", Format: "uri-reference"}},
}
