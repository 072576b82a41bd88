// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package uritemplate

import (
	"strings"
	"testing"
)

func TestSpellings(t *testing.T) {
	for uri, want := range map[string]string{
		"x://a/b?c=d#e":      "x://a/b?c=d#e",
		"x://café":           "x://caf%C3%A9 x://café",
		"x://caf%c3%a9":      "x://caf%C3%A9 x://caf%c3%a9 x://café",
		"x://%61 b%2f":       "x://%61 b%2f x://a%20b%2F",
		"x://%ff":            "x://%FF x://%ff",
		"x://100%":           "x://100%",
		"x://\x00":           "x://\x00",
		"x://größe/%C3%9F/%": "x://gr%C3%B6%C3%9Fe/%C3%9F/% x://größe/%C3%9F/% x://größe/ß/%",
	} {
		if got := strings.Join(Spellings(uri), " "); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

// FuzzSpellings holds that a URI, taken for a template, stands for all its
// spellings, and that these have one normal form.
func FuzzSpellings(f *testing.F) {
	for _, uri := range []string{"x://café/%2f", "%41%c3", "a b", "100%", "\xff", "%00", "x:{a}", "?q=%3D="} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		normal := Normal(uri)
		if again := Normal(normal); again != normal {
			t.Fatalf("%q: %q becomes %q", uri, normal, again)
		}
		tmpl, err := Parse(uri)
		if err != nil || tmpl.Names() != nil || len(uri) > MaxURI/3 {
			return
		}
		for _, spelling := range Spellings(uri) {
			if Normal(spelling) != normal {
				t.Errorf("%q: the normal form of %q is %q, not %q", uri, spelling, Normal(spelling), normal)
			}
			if !tmpl.Matches(spelling) && strings.HasPrefix(spelling, tmpl.Prefix()) && strings.HasSuffix(spelling, tmpl.suffix) {
				t.Errorf("%q does not stand for %q", uri, spelling)
			}
		}
	})
}
