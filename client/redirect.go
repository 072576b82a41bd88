// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects bounds how often one request is sent elsewhere.
const maxRedirects = 5

// redirected returns where a request is to be made instead, nil for nowhere. It
// stays what it was: a POST is made again after 307 and 308 only, for the other
// statuses make a GET of it. Another origin is not followed, since it would get the
// credentials.
//
// RFC 9110 §15.4.
func redirected(verb string, from *url.URL, resp *http.Response) *url.URL {
	switch resp.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if verb != http.MethodGet {
			return nil
		}
	default:
		return nil
	}
	to := location(from, resp)
	if to == nil || !sameOrigin(from, to) {
		return nil
	}
	to.User, to.Fragment = from.User, ""
	return to
}

// location returns what the response's Location names, nil without one.
func location(from *url.URL, resp *http.Response) *url.URL {
	value := resp.Header.Get("Location")
	if value == "" {
		return nil
	}
	to, err := from.Parse(value)
	if err != nil {
		return nil
	}
	return to
}

// whereTo says of a redirect that was not followed where it leads, nil for any
// other answer.
func whereTo(from *url.URL, resp *http.Response) error {
	if resp.StatusCode < 300 || resp.StatusCode >= 400 {
		return nil
	}
	to := location(from, resp)
	if to == nil {
		return nil
	}
	shown := printable(display(to))
	if !sameOrigin(from, to) {
		return fmt.Errorf("redirected to %s, which is another origin: set the URL to it if it is to be trusted", shown)
	}
	return fmt.Errorf("redirected to %s: set the URL to it", shown)
}

// sameOrigin reports whether two URLs have scheme, host and port in common.
//
// RFC 6454 §4.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case strings.EqualFold(u.Scheme, "https"):
		return "443"
	}
	return "80"
}
