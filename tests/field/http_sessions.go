// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"fmt"
	"net/http"
	"time"
)

// sessions are HTTP servers that lose sessions, redirect, or answer in other ways than the specification says.
func sessions() []Variant {
	var all []Variant
	lost := []Step{{Tool: "echo"}, {Drop: true}, {Tool: "echo"}, {Drop: true}, {Tool: "echo", Times: 2}}
	for _, status := range []int{400, 401, 403, 404, 405, 409, 410, 422, 440, 500, 502, 503} {
		all = append(all, Variant{
			Name: fmt.Sprint("stale_", status), HTTP: &HTTP{Stale: status, StaleBody: "Session not found"},
			Steps: lost, Refused: true,
		})
	}
	for name, body := range map[string]string{
		"error":      `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"Session not found"}}`,
		"error_null": `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}`,
		"error_code": `{"jsonrpc":"2.0","id":ID,"error":{"code":-32001,"message":"Session expired"}}`,
	} {
		for _, status := range []int{200, 400} {
			all = append(all, Variant{
				Name: fmt.Sprint("stale_", name, "_", status), HTTP: &HTTP{Stale: status, StaleBody: body},
				Steps: lost, Refused: true,
			})
		}
	}
	return append(append(all, answers()...), Variant{Name: "late", HTTP: &HTTP{Late: 3 * time.Second}, Late: 10 * time.Second})
}

// answers are about status codes, redirects and bodies.
func answers() []Variant {
	plain := func(name string, h HTTP) Variant { return Variant{Name: name, HTTP: &h} }
	refused := func(v Variant) Variant { v.Refused = true; return v }
	return []Variant{
		plain("redirect_307", HTTP{Redirect: http.StatusTemporaryRedirect}),
		plain("redirect_308", HTTP{Redirect: http.StatusPermanentRedirect}),
		{Name: "redirect_away", HTTP: &HTTP{Redirect: http.StatusTemporaryRedirect, Elsewhere: true}, Refused: true, Down: "elsewhere.invalid"},
		{Name: "redirect_301", HTTP: &HTTP{Redirect: http.StatusMovedPermanently}, Refused: true, Down: "/redirect_301/mcp/"},
		plain("gzip", HTTP{Gzip: true}),
		plain("gzip_events", HTTP{Gzip: true, Events: ": hello\n\n"}),
		plain("status_201", HTTP{Status: http.StatusCreated}),
		refused(plain("status_202", HTTP{Status: http.StatusAccepted, Kind: "application/json"})),
		plain("status_203", HTTP{Status: http.StatusNonAuthoritativeInfo}),
		plain("array", HTTP{Array: true}),
		plain("json_charset", HTTP{Kind: "application/json; charset=utf-8"}),
		plain("get_200_json", HTTP{Get: http.StatusOK, GetBody: `{"ok":true}`}),
		plain("get_200_page", HTTP{Get: http.StatusOK, GetBody: "<html></html>"}),
		plain("get_204", HTTP{Get: http.StatusNoContent}),
		plain("get_400", HTTP{Get: http.StatusBadRequest, GetBody: "bad"}),
		plain("get_404", HTTP{Get: http.StatusNotFound}),
		plain("get_406", HTTP{Get: http.StatusNotAcceptable}),
		plain("get_500", HTTP{Get: http.StatusInternalServerError}),
		plain("get_503", HTTP{Get: http.StatusServiceUnavailable}),
		plain("discover_400", HTTP{Discover: http.StatusBadRequest}),
		plain("discover_404", HTTP{Discover: http.StatusNotFound}),
		plain("discover_500", HTTP{Discover: http.StatusInternalServerError}),
		plain("discover_501", HTTP{Discover: http.StatusNotImplemented}),
		plain("notify_200", HTTP{Notify: http.StatusOK}),
		plain("notify_200_null", HTTP{Notify: http.StatusOK, NoteBody: "null"}),
		plain("notify_200_json", HTTP{Notify: http.StatusOK, NoteBody: "{}"}),
		plain("notify_204", HTTP{Notify: http.StatusNoContent}),
		plain("notify_202_text", HTTP{Notify: http.StatusAccepted, NoteBody: "Accepted"}),
	}
}
