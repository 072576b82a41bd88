// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// HeaderParam is an argument of a tool that an HTTP header mirrors, as the
// keyword x-mcp-header of its input schema says.
//
// spec 2026-07-28 server/tools#x-mcp-header.
type HeaderParam struct {
	Header string   // the full name of the header, such as "Mcp-Param-Region"
	Path   []string // names of the properties from the arguments object down
	Type   string   // string, integer or boolean
}

// Value returns what the header says for these arguments, not yet encoded, and
// false when the argument is absent or null, for then there is no header. It
// fails when the argument is not of the declared type.
func (p HeaderParam) Value(arguments Raw) (string, bool, error) {
	value := arguments
	for _, name := range p.Path {
		member, ok := jsonrpc.Get(value, name)
		if !ok {
			return "", false, nil
		}
		value = member
	}
	if len(value) == 0 || value.Kind() == 'n' {
		return "", false, nil
	}
	text, ok := "", false
	switch p.Type {
	case "string":
		text, ok = jsonrpc.Unquote(value)
	case "boolean":
		text, ok = string(value), value.Kind() == 't' || value.Kind() == 'f'
	case "integer":
		var n int64
		if n, ok = exactInteger(string(value)); ok {
			text = strconv.FormatInt(n, 10)
		}
	}
	if !ok {
		return "", false, fmt.Errorf("argument %q is not a valid %s", strings.Join(p.Path, "."), p.Type)
	}
	return text, true, nil
}

// Match checks the header of a request against its arguments. value is the
// header as received, without the whitespace around it; present says whether
// there was one. Integers are compared as numbers. Any error means -32020.
func (p HeaderParam) Match(value string, present bool, arguments Raw) error {
	want, needed, err := p.Value(arguments)
	switch {
	case err != nil:
		return err
	case !needed && !present:
		return nil
	case !needed:
		return fmt.Errorf("header %s has no argument %q to mirror", p.Header, strings.Join(p.Path, "."))
	case !present:
		return fmt.Errorf("header %s is missing", p.Header)
	}
	got, err := DecodeHeaderValue(value)
	if err != nil {
		return fmt.Errorf("header %s is malformed: %w", p.Header, err)
	}
	if p.Type == "integer" {
		if n, ok := exactInteger(got); ok {
			got = strconv.FormatInt(n, 10)
		}
	}
	if got != want {
		return fmt.Errorf("header %s differs from argument %q", p.Header, strings.Join(p.Path, "."))
	}
	return nil
}

// maxExact is the largest integer that every JSON implementation keeps exact.
const maxExact = 1<<53 - 1

// exactInteger reads a JSON number whose value is an integer of at most
// maxExact, be it written 42, 42.0 or 4.2e1.
func exactInteger(text string) (int64, bool) {
	if len(text) == 0 || len(text) > 64 || text[0] != '-' && (text[0] < '0' || text[0] > '9') || !Raw(text).IsValid() {
		return 0, false
	}
	if whole, fraction, ok := strings.Cut(text, "."); ok && strings.Trim(fraction, "0") == "" {
		text = whole
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > maxExact {
			return 0, false
		}
		if !strings.ContainsAny(text, "eE") {
			return 0, false // it has a fraction, too small for a float64 to show
		}
		n = int64(f)
	}
	return n, -maxExact <= n && n <= maxExact
}

const (
	base64Prefix = "=?base64?"
	base64Suffix = "?="
)

// EncodeHeaderValue returns s as the value of an Mcp-Name or Mcp-Param header:
// itself when a header can carry it, else Base64 between markers.
//
// spec 2026-07-28 basic/transports#value-encoding.
func EncodeHeaderValue(s string) string {
	if plainHeaderValue(s) {
		return s
	}
	return base64Prefix + base64.StdEncoding.EncodeToString([]byte(s)) + base64Suffix
}

// plainHeaderValue reports whether s survives in a header and is not taken for
// an encoded value.
func plainHeaderValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return strings.Trim(s, " ") == s && !strings.HasPrefix(s, base64Prefix)
}

// ErrHeaderEncoding reports a header value that has the markers of Base64 but
// is not Base64 of UTF-8 text.
var ErrHeaderEncoding = errors.New("invalid Base64 in header value")

// DecodeHeaderValue returns what the value of an Mcp-Name or Mcp-Param header
// stands for. A value without both markers stands for itself.
func DecodeHeaderValue(s string) (string, error) {
	if len(s) < len(base64Prefix)+len(base64Suffix) ||
		!strings.HasPrefix(s, base64Prefix) || !strings.HasSuffix(s, base64Suffix) {
		return s, nil
	}
	inner := s[len(base64Prefix) : len(s)-len(base64Suffix)]
	if strings.ContainsAny(inner, "\r\n") { // which the decoder would skip
		return "", ErrHeaderEncoding
	}
	text, err := base64.StdEncoding.Strict().DecodeString(inner)
	if err != nil || !utf8.Valid(text) {
		return "", ErrHeaderEncoding
	}
	return string(text), nil
}
