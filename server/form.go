// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// form is how values of a type look in JSON.
type form struct {
	schema *jsonschema.Schema
	made   bool // by [forms]: package json has none, or not one that is meant
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

// text lets values hold bytes that are not UTF-8: U+FFFD takes their place.
var text = jsontext.AllowInvalidUTF8(true)

// forms is text, and gives time.Duration and url.URL their form. It
// makes package json slower, so it is used where a type has one of these.
var forms = json.JoinOptions(text, json.WithMarshalers(json.JoinMarshalers(
	json.MarshalFunc(func(d time.Duration) ([]byte, error) { return quote(d.String()), nil }),
	json.MarshalFunc(func(u *url.URL) ([]byte, error) { return quote(u.String()), nil }),
)), json.WithUnmarshalers(formDecoders))

var formDecoders = json.JoinUnmarshalers(
	json.UnmarshalFunc(func(raw []byte, d *time.Duration) error {
		return fromString(raw, d, time.ParseDuration)
	}),
	json.UnmarshalFunc(func(raw []byte, u *url.URL) error {
		return fromString(raw, u, func(s string) (url.URL, error) {
			parsed, err := url.Parse(s)
			if err != nil {
				return url.URL{}, err
			}
			return *parsed, nil
		})
	}),
)

func quote(s string) Raw { return jsonrpc.AppendString(nil, s) }

// fromString stores in v what parse makes of a JSON string; null is the zero value.
func fromString[T any](raw []byte, v *T, parse func(string) (T, error)) (err error) {
	if Raw(raw).Kind() == 'n' {
		*v = *new(T)
		return nil
	}
	s, ok := jsonrpc.Unquote(raw)
	if !ok {
		return errors.New("a string is wanted")
	}
	*v, err = parse(s)
	return err
}

// exact is forms for another try where a number was refused: an integer may be
// written with a fraction of zero or an exponent, such as 5.0 or 1e3.
//
// JSON Schema 2020-12 validation, section 6.1.1: "any number with a zero fractional part".
var exact = json.JoinOptions(forms, json.WithUnmarshalers(json.JoinUnmarshalers(formDecoders,
	json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v any) error {
		if dec.PeekKind() != '0' {
			return errors.ErrUnsupported
		}
		switch to := v.(type) {
		case *big.Int:
			raw, err := dec.ReadValue()
			if err != nil {
				return err
			}
			return to.UnmarshalJSON(plain(raw))
		case json.Unmarshaler, json.UnmarshalerFrom, encoding.TextUnmarshaler:
			return errors.ErrUnsupported
		}
		return decodeInteger(dec, reflect.ValueOf(v).Elem())
	}))))

// decodeInteger reads a number into v if that is an integer.
func decodeInteger(dec *jsontext.Decoder, v reflect.Value) error {
	if !v.CanInt() && !v.CanUint() {
		return errors.ErrUnsupported
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	digits := string(plain(raw))
	if v.CanInt() {
		n, err := strconv.ParseInt(digits, 10, v.Type().Bits())
		if err != nil {
			return notInteger(raw, v.Type(), err)
		}
		v.SetInt(n)
		return nil
	}
	n, err := strconv.ParseUint(digits, 10, v.Type().Bits())
	if err != nil {
		return notInteger(raw, v.Type(), err)
	}
	v.SetUint(n)
	return nil
}

func notInteger(raw Raw, t reflect.Type, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%.40s is out of the range of %s", raw, t)
	}
	return fmt.Errorf("%.40s is not an integer", raw)
}

// maxDigits bounds how long an integer becomes that is written with an exponent.
const maxDigits = 1000

// plain returns a number without fraction and exponent if it is an integer of at
// most maxDigits digits, else the number as it is. No digit is lost.
func plain(number Raw) Raw {
	s := string(number)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	mantissa, exponent, scaled := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimRight(whole+fraction, "0")
	if digits == "" {
		return Raw("0")
	}
	zeros := len(whole) - len(digits)
	if scaled {
		shift, err := strconv.Atoi(exponent)
		if err != nil || shift > maxDigits {
			return number
		}
		zeros += shift
	}
	if zeros < 0 || zeros > maxDigits {
		return number
	}
	return Raw(sign + strings.TrimLeft(digits, "0") + strings.Repeat("0", zeros))
}
