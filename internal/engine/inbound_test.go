// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// TestNothingIsAbsent: clients write null, or as PHP does the empty list, for arguments that are not there. Nobody behind the
// engine sees it.
func TestNothingIsAbsent(t *testing.T) {
	for _, c := range []struct{ method, params, want, arguments string }{
		{"tools/call", `null`, ``, ``},
		{"tools/call", `{"name":"t","arguments":null}`, `{"name":"t"}`, ``},
		{"tools/call", `{"arguments":[ ],"name":"t"}`, `{"name":"t"}`, ``},
		{"prompts/get", `{"name":"t","arguments":[]}`, `{"name":"t"}`, ``},
		{"tools/call", `{"name":"t","_meta":null,"arguments":{"a":null}}`, `{"name":"t","arguments":{"a":null}}`, `{"a":null}`},
		{"tools/call", `{"name":"t","arguments":[1]}`, `{"name":"t","arguments":[1]}`, `[1]`},
		{"tools/call", `{"name":"t","arguments":"x"}`, `{"name":"t","arguments":"x"}`, `"x"`},
		{"tools/call", `{"name":"t","arguments":0}`, `{"name":"t","arguments":0}`, `0`},
		{"other", `{"arguments":[]}`, `{"arguments":[]}`, `[]`},
	} {
		m, err := jsonrpc.Decode([]byte(`{"jsonrpc":"2.0","id":1,"method":"`+c.method+`","params":`+c.params+`}`), jsonrpc.DefaultLimits())
		if err != nil {
			t.Errorf("%s: %v", c.params, err)
			continue
		}
		in := NewInbound(m)
		if string(in.Params) != c.want || string(in.Fields.Arguments) != c.arguments || in.ParamsErr != nil {
			t.Errorf("%s: params %s, arguments %s, error %v", c.params, in.Params, in.Fields.Arguments, in.ParamsErr)
		}
	}
}
