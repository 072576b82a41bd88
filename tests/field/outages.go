// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"net/http"
	"time"
)

// outages are HTTP servers that fail some calls. That must not cost the others, and what they said must be told.
func outages() []Variant {
	fails := func(name string, f Failure, err string) Variant {
		return Variant{
			Name: name, HTTP: &HTTP{Fails: map[string]Failure{"forbidden": f}},
			Steps: []Step{{Tool: "forbidden", Times: 8, Err: err}, {Tool: "echo"}},
		}
	}
	all := []Variant{
		fails("forbidden", Failure{Status: http.StatusForbidden, Body: "not for you"}, "not for you"),
		fails("bad", Failure{Status: http.StatusBadRequest, Body: "the city is missing\nat line 5"}, "the city is missing"),
		fails("payment", Failure{Status: http.StatusPaymentRequired, Body: "no credit left"}, "no credit left"),
		fails("unprocessable", Failure{Status: http.StatusUnprocessableEntity, Body: `{"detail":"the city is missing"}`}, "the city is missing"),
		fails("too_large", Failure{Status: http.StatusRequestEntityTooLarge, Body: "too much"}, "too much"),
		fails("internal", Failure{Status: http.StatusInternalServerError, Body: "the tool broke"}, "the tool broke"),
		fails("rpc_error", Failure{Status: http.StatusBadRequest, Body: `{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"the city is missing"}}`}, "the city is missing"),
		fails("rpc_error_500", Failure{Status: http.StatusInternalServerError, Body: `{"jsonrpc":"2.0","id":ID,"error":{"code":-32603,"message":"the tool broke"}}`}, "the tool broke"),
		fails("no_json", Failure{Status: http.StatusOK, Body: "<html>sorry</html>"}, ""),
	}
	slow := fails("slow_tool", Failure{Sleep: 900 * time.Millisecond}, "slow_tool")
	slow.Config = map[string]any{"headerTimeout": "500ms"}
	slow.GatewayOnly, slow.Refused = true, true
	return append(all, slow)
}
