// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package display

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

func TestTerminal(t *testing.T) {
	for _, tc := range []struct{ in, line, text string }{
		{"plain, größe, 日本, 👍 \\x1b", "plain, größe, 日本, 👍 \\x1b", "plain, größe, 日本, 👍 \\x1b"},
		{"a\nb\tc\r\nd", `a\x0ab\x09c\x0d\x0ad`, "a\nb\tc\nd"},
		{"over\rwritten", `over\x0dwritten`, `over\x0dwritten`},
		{"\x1b]0;title\x07", `\x1b]0;title\x07`, `\x1b]0;title\x07`},
		{"\x1b]52;c;cm0=\x07", `\x1b]52;c;cm0=\x07`, `\x1b]52;c;cm0=\x07`},
		{"\x1b[2J\x1b[H", `\x1b[2J\x1b[H`, `\x1b[2J\x1b[H`},
		{"\u009b31m \u0090q\u009c", `\u009b31m \u0090q\u009c`, `\u009b31m \u0090q\u009c`},
		{"\x9b31m", `\x9b31m`, `\x9b31m`},
		{"\x00\x08\x7f", `\x00\x08\x7f`, `\x00\x08\x7f`},
		{"safe\u202egnp.exe", `safe\u202egnp.exe`, `safe\u202egnp.exe`},
		{"\u2066\u2069\u200b\u200d\ufeff\u00ad", `\u2066\u2069\u200b\u200d\ufeff\u00ad`, `\u2066\u2069\u200b\u200d\ufeff\u00ad`},
		{"a\u2028b\u2029c\u0085d", `a\u2028b\u2029c\u0085d`, `a\u2028b\u2029c\u0085d`},
		{"\U000e0041", `\U000e0041`, `\U000e0041`},
		{"\xff\xfe\ufffd", "\\xff\\xfe\ufffd", "\\xff\\xfe\ufffd"},
		{"", "", ""},
	} {
		if got := Line(tc.in); got != tc.line {
			t.Errorf("Line(%q) = %q, want %q", tc.in, got, tc.line)
		}
		if got := Text(tc.in); got != tc.text {
			t.Errorf("Text(%q) = %q, want %q", tc.in, got, tc.text)
		}
		if Plain(tc.in) != (tc.in == tc.line) {
			t.Errorf("Plain(%q) = %t", tc.in, Plain(tc.in))
		}
	}
}

func TestLongTextIsCut(t *testing.T) {
	long := strings.Repeat("ü", 2_000_000)
	if got, want := Quote(long), `"`+strings.Repeat("ü", maxShown/2)+`"… (4000000 bytes)`; got != want {
		t.Errorf("Quote = %s, want %s", got, want)
	}
	if got, want := Short(long), strings.Repeat("ü", maxShown/2)+"…"; got != want {
		t.Errorf("Short = %s, want %s", got, want)
	}
	for in, want := range map[string]string{"x": `"x"`, "": `""`, "a\nb\u202e": `"a\nb\u202e"`} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
	for max, want := range map[int]string{0: "", 1: "", 2: "ü", 3: "üx", 9: "üx"} {
		if got := Cut("üx", max); got != want {
			t.Errorf("Cut to %d = %q, want %q", max, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	for in, want := range map[string]string{
		"{\n\t\"a\": 1}\r\n":             "{\n\t\"a\": 1}\r\n",
		`"größe"`:                        `"größe"`,
		"\"\u202e\u009b\x7f\U000e0041\"": `"\u202e\u009b\u007f\udb40\udc41"`,
	} {
		if got := string(JSON([]byte(in))); got != want {
			t.Errorf("JSON(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzLine checks that nothing gets through that a terminal obeys.
func FuzzLine(f *testing.F) {
	f.Add("\x1b[31m\u202e\xff\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		if got := Line(s); !Plain(got) || !utf8.ValidString(got) {
			t.Fatalf("Line(%q) = %q", s, got)
		}
		if got := Text(s); !Plain(strings.NewReplacer("\n", "", "\t", "").Replace(got)) {
			t.Fatalf("Text(%q) = %q", s, got)
		}
		if quoted, err := jsontext.AppendQuote(nil, s); err == nil {
			safe := JSON(quoted)
			if again, err := jsontext.AppendUnquote(nil, safe); err != nil || string(again) != s || !Plain(string(safe)) {
				t.Fatalf("JSON(%q) = %q, which is %q, %v", quoted, safe, again, err)
			}
		}
		if got := Quote(s); !Plain(got) || len(got) > 4*maxShown+40 {
			t.Fatalf("Quote(%q) = %q", s, got)
		}
	})
}
