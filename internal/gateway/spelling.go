// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"
	"strings"
	"unicode"

	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
)

// spelling is what a URI may mean to the server that gets it. Servers differ:
// some decode twice, take the authority for a part of the path, do not tell a
// query from it, or ask a file system that minds neither letter case nor a dot at
// the end of a name. What is left out of a view must not be had by another
// spelling, whoever reads it.
type spelling struct {
	written string
	normal  string // the URI in its normal form
	asPath  string // the same with the authority taken for the first part of the path
	odd     bool   // written in a way that no link needs: it may lead elsewhere than it seems
	all     []string
}

// spell returns the spellings of a URI, of a URI template, or, where pattern says
// so, of a glob over these.
//
// RFC 3986 section 6; of the file scheme RFC 8089.
func spell(written string, pattern bool) spelling {
	s := spelling{written: written}
	path, tail := written, ""
	if i := strings.IndexAny(written, "?#"); i >= 0 && !pattern { // in a glob ? is a character
		path, tail = written[:i], written[i:]
	}
	path, odd := decode(path)
	tail, also := decode(tail)
	s.odd = odd || also || !pattern && strings.ContainsAny(path, "?#")
	whole := path + tail
	scheme, rest := cutScheme(path, pattern)
	plain, asPath, odd := normalize(scheme, rest)
	s.odd = s.odd || odd
	s.normal, s.asPath = plain+tail, asPath+tail
	s.all = []string{written, s.normal, s.asPath, trim(plain), trim(asPath)}
	switch {
	case pattern && hasDots(path) && strings.ContainsAny(written, "*?"): // the dots are a part of what is meant
		s.normal, s.all = written, []string{written}
	case pattern:
		s.all = slices.DeleteFunc(s.all, func(form string) bool { return endsWild(form) && !endsWild(written) })
	case strings.Contains(tail, "/"):
		// A server that knows no queries takes it for more path.
		_, rest = cutScheme(whole, pattern)
		_, asPath, odd = normalize(scheme, rest)
		s.odd = s.odd || odd && asPath != s.asPath
		s.all = append(s.all, asPath, trim(asPath))
	}
	for i := range s.all {
		s.all[i] = fold(s.all[i])
	}
	slices.Sort(s.all)
	s.all = slices.Compact(s.all)
	return s
}

// rounds is how often percent-encoding may be nested before it is left alone.
const rounds = 4

// decode undoes percent-encoding until there is none, takes out what cannot be
// seen and turns backslashes around. It reports whether a URI that means what it
// says would hold any of that.
func decode(s string) (text string, odd bool) {
	for round := range rounds {
		next := uritemplate.Unescape(s)
		odd = odd || round > 0 && next != s || strings.Count(next, "/") != strings.Count(s, "/")
		visible := strings.TrimFunc(strings.Map(show, next), unicode.IsSpace)
		turned := strings.ReplaceAll(visible, `\`, "/")
		odd = odd || turned != next
		if turned == s {
			break
		}
		s = turned
	}
	return s, odd
}

// show drops control and format characters.
func show(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

// cutScheme returns the scheme, in lower case and with its colon, and what
// follows. Without a scheme all follows.
func cutScheme(s string, pattern bool) (scheme, rest string) {
	i := strings.IndexByte(s, ':')
	if i <= 0 || strings.IndexFunc(s[:i], func(r rune) bool {
		return !(isSchemeByte(r) || pattern && (r == '*' || r == '?'))
	}) >= 0 {
		return "", s
	}
	return strings.ToLower(s[:i+1]), s[i+1:]
}

func isSchemeByte(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("+-.", r)
}

// normalize returns what follows a scheme in its normal form, with the scheme,
// and the form in which the authority is the first part of the path. It reports
// whether dot segments, empty segments, user names or the local host's name went.
func normalize(scheme, rest string) (plain, asPath string, odd bool) {
	body := strings.TrimLeft(rest, "/")
	slashes := len(rest) - len(body)
	cleaned, odd := cleanPath(body)
	asPath = scheme + "//" + cleaned
	if scheme == "" {
		return rest[:min(slashes, 1)] + cleaned, rest[:min(slashes, 1)] + cleaned, odd || slashes > 1
	}
	host, path := "", body
	if slashes == 2 {
		host, path, _ = strings.Cut(body, "/")
	}
	path, also := cleanPath(path)
	odd = odd || also
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host, odd = host[at+1:], true
	}
	host = strings.ToLower(host)
	switch {
	case scheme == "file:":
		if slashes != 2 || isLocal(host) {
			return scheme + "///" + path, scheme + "///" + cleaned, odd || slashes != 3
		}
		return scheme + "//" + host + "/" + path, scheme + "///" + cleaned, odd
	case slashes == 2:
		if strings.Contains(body, "/") {
			path = "/" + path
		}
		return scheme + "//" + withoutPort(scheme, host) + path, asPath, odd
	}
	return scheme + strings.Repeat("/", min(slashes, 3)) + path, asPath, odd || slashes > 3
}

// isLocal reports whether the host of a file URI is this one.
func isLocal(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return name == "" || name == "localhost" || name == "127.0.0.1" || name == "." || strings.HasPrefix(host, "[::1]")
}

var defaultPorts = map[string]string{"http:": ":80", "ws:": ":80", "https:": ":443", "wss:": ":443", "ftp:": ":21"}

func withoutPort(scheme, host string) string { return strings.TrimSuffix(host, defaultPorts[scheme]) }

// cleanPath takes empty and dot segments out of a path, and what these take back.
//
// RFC 3986 section 5.2.4.
func cleanPath(path string) (cleaned string, odd bool) {
	segments := strings.Split(path, "/")
	kept := make([]string, 0, len(segments))
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "" && last: // a slash at the end stays
			kept = append(kept, "")
		case s == "":
			odd = true
		case s == "." || s == "..":
			odd = true
			if s == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last && len(kept) > 0 {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, "/"), odd
}

func hasDots(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}

// endsWild reports whether a glob ends in a wildcard.
func endsWild(glob string) bool { return strings.HasSuffix(glob, "*") || strings.HasSuffix(glob, "?") }

// trim takes away what a file system may not see at the end of a name, and the
// slash at the end of a path. A name that ends in a wildcard stays whole.
func trim(path string) string {
	segments := strings.Split(strings.TrimRight(path, "/"), "/")
	for i, s := range segments {
		if short := strings.TrimRight(s, ". "); short != "" && !endsWild(short) {
			segments[i] = short
		}
	}
	return strings.Join(segments, "/")
}

// fold makes letters of either case the same.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// schemeOf returns the scheme of a URI or template in lower case, "" when it has none.
func schemeOf(uri string) string {
	scheme, _ := cutScheme(uri, false)
	return strings.TrimSuffix(scheme, ":")
}
