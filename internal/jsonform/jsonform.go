// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package jsonform says how Go values look in JSON where package json refuses
// them: text that is not UTF-8, durations and URLs, and integers that are written as
// fractions. Servers and clients use it alike, so that they can share types.
//
// The package holds options of package json and starts no goroutine.
package jsonform

import (
	"encoding"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Text lets values hold bytes that are not UTF-8: U+FFFD takes their place.
var Text = jsontext.AllowInvalidUTF8(true)

// Forms is Text, and gives time.Duration and url.URL their form. It
// makes package json slower, so it is used where a type has one of these.
var Forms = json.JoinOptions(Text, json.WithMarshalers(json.JoinMarshalers(
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

func quote(s string) []byte {
	b, _ := jsontext.AppendQuote(nil, s) // of what is not UTF-8 it makes U+FFFD
	return b
}

// fromString stores in v what parse makes of a JSON string; null is the zero value.
func fromString[T any](raw []byte, v *T, parse func(string) (T, error)) (err error) {
	switch jsontext.Value(raw).Kind() {
	case 'n':
		*v = *new(T)
		return nil
	case '"':
	default:
		return errors.New("a string is wanted")
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return err
	}
	*v, err = parse(string(text))
	return err
}

// Exact is Forms for another try where a number was refused: an integer may be
// written with a fraction of zero or an exponent, such as 5.0 or 1e3.
//
// JSON Schema 2020-12 validation, section 6.1.1: "any number with a zero fractional part".
var Exact = json.JoinOptions(Forms, json.WithUnmarshalers(json.JoinUnmarshalers(formDecoders,
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
			return to.UnmarshalJSON(Plain(raw))
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
	digits := string(Plain(raw))
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

func notInteger(raw jsontext.Value, t reflect.Type, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%.40s is out of the range of %s", raw, t)
	}
	return fmt.Errorf("%.40s is not an integer", raw)
}

// maxDigits bounds how long an integer becomes that is written with an exponent.
const maxDigits = 1000

// Plain returns a number without fraction and exponent if it is an integer of at
// most maxDigits digits, else the number as it is. No digit is lost.
func Plain(number jsontext.Value) jsontext.Value {
	s := string(number)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	mantissa, exponent, scaled := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimRight(whole+fraction, "0")
	if digits == "" {
		return jsontext.Value("0")
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
	return jsontext.Value(sign + strings.TrimLeft(digits, "0") + strings.Repeat("0", zeros))
}
