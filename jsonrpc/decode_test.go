// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// say writes a message in one line for comparison.
func say(m Message) string {
	switch m.Kind() {
	case Request:
		return fmt.Sprintf("request %s %s %s", m.ID, m.Method, []byte(m.Params))
	case Notification:
		return fmt.Sprintf("notification %s %s", m.Method, []byte(m.Params))
	case Response:
		if m.Error != nil {
			return fmt.Sprintf("error %s %d %s %s", m.ID, m.Error.Code, m.Error.Message, []byte(m.Error.Data))
		}
		return fmt.Sprintf("result %s %s", m.ID, []byte(m.Result))
	}
	return "invalid " + m.ID.String()
}

func TestDecode(t *testing.T) {
	tests := []struct{ data, want string }{
		{`{"jsonrpc":"2.0","id":1,"method":"m"}`, `request 1 m `},
		{`{"jsonrpc":"2.0","id":"1","method":"m","params":{}}`, `request "1" m {}`},
		{"\n\t {\r\"params\" : [ 1 ] , \"method\":\"m\",\"id\":0 ,\"jsonrpc\":\"2.0\"} \n", `request 0 m [ 1 ]`},
		{`{"jsonrpc":"2.0","id":1,"method":"m","extra":{"a":[]}}`, `request 1 m `},
		{`{"jsonrpc":"2.0","\u0069d":1,"m\u0065thod":"\u006d\n"}`, "request 1 m\n "},
		{`{"jsonrpc":"2.0","method":"m"}`, `notification m `},
		{`{"jsonrpc":"2.0","id":1,"result":{"a":1}}`, `result 1 {"a":1}`},
		{`{"jsonrpc":"2.0","id":1,"result":null}`, `result 1 null`},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"m","data":[1]}}`, `error 1 -32600 m [1]`},
		{`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}`, `error  1 m `},
		{`{"jsonrpc":"2.0","error":{"code":1,"message":"m","x":2}}`, `error  1 m `},
		// ids are exact
		{`{"jsonrpc":"2.0","id":-0,"method":"m"}`, `request -0 m `},
		{`{"jsonrpc":"2.0","id":12345678901234567890123,"method":"m"}`, `request 12345678901234567890123 m `},
		{`{"jsonrpc":"2.0","id":9007199254740993,"method":"m"}`, `request 9007199254740993 m `},
		{`{"jsonrpc":"2.0","id":"","method":"m"}`, `request "" m `},
		{`{"jsonrpc":"2.0","id":"\u00e9\n","method":"m"}`, `request "\u00e9\n" m `},
		// values are kept as received
		{`{"jsonrpc":"2.0","id":1,"method":"m","params":{ "x":1.50e+3, "y":"\/" }}`, `request 1 m { "x":1.50e+3, "y":"\/" }`},
	}
	for _, tt := range tests {
		m, err := Decode([]byte(tt.data), DefaultLimits())
		if got := say(m); got != tt.want || err != nil {
			t.Errorf("Decode(%s) = %s, %v; want %s", tt.data, got, err, tt.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const (
		parse   = CodeParse
		invalid = CodeInvalidRequest
	)
	tests := []struct {
		data string
		code int64
		id   string // still known
		text string
	}{
		{``, parse, "", "parse error"},
		{`{`, parse, "", "parse error"},
		{`{"jsonrpc":"2.0","id":1,"method":"m"}}`, parse, "1", "parse error"},
		{`{"jsonrpc":"2.0","id":1,"method":"m"} {}`, parse, "1", "parse error"},
		{`{"jsonrpc":"2.0","id":1,"method":"m",}`, parse, "1", "parse error"},
		{`{"jsonrpc":"2.0","id":01,"method":"m"}`, parse, "", "parse error"},
		{"\xef\xbb\xbf{}", parse, "", "parse error"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","id":2}`, parse, "", "duplicate"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","\u0069d":2}`, parse, "", "duplicate"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":{"b":1,"b":2}}}`, parse, "1", "duplicate"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","params":[{"b":1,"b":2}]}`, parse, "1", "duplicate"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"\xff\"}}", parse, "1", "UTF-8"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\nb\"}", parse, "1", "parse error"},
		{`null`, invalid, "", "must be a JSON object"},
		{`"x"`, invalid, "", "must be a JSON object"},
		{`17`, invalid, "", "must be a JSON object"},
		{`[{"jsonrpc":"2.0","method":"m"}]`, invalid, "", "must be a JSON object"},
		{`{}`, invalid, "", `"jsonrpc"`},
		{`{"id":1,"method":"m"}`, invalid, "1", `"jsonrpc" must be "2.0"`},
		{`{"jsonrpc":"1.0","id":1,"method":"m"}`, invalid, "1", `"jsonrpc" must be "2.0"`},
		{`{"jsonrpc":2.0,"id":1,"method":"m"}`, invalid, "1", `"jsonrpc" must be "2.0"`},
		{`{"jsonrpc":"2.0","id":null,"method":"m"}`, invalid, "", "null"},
		{`{"jsonrpc":"2.0","id":1.5,"method":"m"}`, invalid, "", "fraction"},
		{`{"jsonrpc":"2.0","id":1.0,"method":"m"}`, invalid, "", "fraction"},
		{`{"jsonrpc":"2.0","id":1e3,"method":"m"}`, invalid, "", "exponent"},
		{`{"jsonrpc":"2.0","id":true,"method":"m"}`, invalid, "", "string or an integer"},
		{`{"jsonrpc":"2.0","id":{},"method":"m"}`, invalid, "", "string or an integer"},
		{`{"jsonrpc":"2.0","id":[1],"method":"m"}`, invalid, "", "string or an integer"},
		{`{"jsonrpc":"2.0","id":"` + strings.Repeat("x", maxIDBytes) + `","method":"m"}`, invalid, "", "longer"},
		{`{"jsonrpc":"2.0","id":` + strings.Repeat("1", maxIDBytes+1) + `,"method":"m"}`, invalid, "", "longer"},
		{`{"jsonrpc":"2.0","id":1,"Method":"m"}`, invalid, "1", `no "method"`},
		{`{"jsonrpc":"2.0","id":1,"METHOD":"m","Result":{}}`, invalid, "1", `no "method"`},
		{`{"jsonrpc":"2.0","id":1}`, invalid, "1", `no "method"`},
		{`{"jsonrpc":"2.0","id":1,"method":""}`, invalid, "1", "non-empty string"},
		{`{"jsonrpc":"2.0","id":1,"method":null}`, invalid, "1", "non-empty string"},
		{`{"jsonrpc":"2.0","id":1,"method":7}`, invalid, "1", "non-empty string"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","params":7}`, invalid, "1", `"params"`},
		{`{"jsonrpc":"2.0","id":1,"method":"m","params":"x"}`, invalid, "1", `"params"`},
		{`{"jsonrpc":"2.0","id":1,"method":"m","result":{}}`, invalid, "1", "together"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","error":null}`, invalid, "1", "together"},
		{`{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"m"}}`, invalid, "1", "both"},
		{`{"jsonrpc":"2.0","result":{}}`, invalid, "", `without "id"`},
		{`{"jsonrpc":"2.0","id":null,"result":{}}`, invalid, "", "null"},
		{`{"jsonrpc":"2.0","id":1,"error":null}`, invalid, "1", "integer code"},
		{`{"jsonrpc":"2.0","id":1,"error":"x"}`, invalid, "1", "integer code"},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":1}}`, invalid, "1", "a message"},
		{`{"jsonrpc":"2.0","id":1,"error":{"message":"m"}}`, invalid, "1", "integer code"},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"m"}}`, invalid, "1", "integer code"},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":99999999999999999999,"message":"m"}}`, invalid, "1", "integer code"},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":null}}`, invalid, "1", "a message"},
	}
	for _, tt := range tests {
		m, err := Decode([]byte(tt.data), DefaultLimits())
		e, ok := AsError(err)
		if !ok || e.Code != tt.code || !strings.Contains(e.Message, tt.text) || e.FromPeer() {
			t.Errorf("Decode(%.80s): %v; want %d %q", tt.data, err, tt.code, tt.text)
		}
		if m.ID.String() != tt.id || m.Kind() != Invalid {
			t.Errorf("Decode(%.80s) left %s; want the id %s", tt.data, say(m), tt.id)
		}
	}
}

// nested returns a request whose text is nested depth deep, members included.
func nested(depth int) string {
	return `{"jsonrpc":"2.0","method":"m","params":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
}

func TestLimits(t *testing.T) {
	members := func(n int) string { // three of them are the envelope's
		var b strings.Builder
		b.WriteString(`{"jsonrpc":"2.0","method":"m","params":{`)
		for i := range n - 3 {
			fmt.Fprintf(&b, `,"k%d":":"`[btoi(i == 0):], i)
		}
		return b.String() + `}}`
	}
	short := `{"jsonrpc":"2.0","method":"m"}`
	tests := []struct {
		name, data string
		limits     Limits
		ok         bool
	}{
		{"bytes at", short, Limits{Bytes: len(short)}, true},
		{"bytes over", short, Limits{Bytes: len(short) - 1}, false},
		{"depth at", nested(10), Limits{Depth: 10}, true},
		{"depth over", nested(11), Limits{Depth: 10}, false},
		{"depth in strings", `{"jsonrpc":"2.0","method":"[[[[{{{\"[[["}`, Limits{Depth: 1}, true},
		{"keys at", members(10), Limits{Keys: 10}, true},
		{"keys over", members(11), Limits{Keys: 10}, false},
		{"keys in strings", `{"jsonrpc":"2.0","method":"::::\\\"::"}`, Limits{Keys: 2}, true},
		{"none", nested(500), Limits{}, true},
		{"default depth at", nested(128), DefaultLimits(), true},
		{"default depth over", nested(129), DefaultLimits(), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode([]byte(tt.data), tt.limits)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v; want ok %v", err, tt.ok)
			}
			if e, _ := AsError(err); !tt.ok && e.Code != CodeInvalidRequest {
				t.Errorf("code %d; want %d", e.Code, CodeInvalidRequest)
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestDecodeBatch(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":1,"method":"m"}`
	got, err := DecodeBatch([]byte(" [ "+call+` , 7, {"jsonrpc":"2.0","id":2}, {"jsonrpc":"2.0","method":"n"}, [], null]`), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range got {
		text := say(e.Message)
		if e.Err != nil {
			text += fmt.Sprintf("(%d)", e.Err.Code)
		}
		said = append(said, strings.TrimSpace(text))
	}
	want := "request 1 m|invalid (-32600)|invalid 2(-32600)|notification n|invalid (-32600)|invalid (-32600)"
	if s := strings.Join(said, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}

	for _, tt := range []struct {
		data string
		code int64
	}{
		{`[]`, CodeInvalidRequest}, {` [ ] `, CodeInvalidRequest}, {`{}`, CodeInvalidRequest}, {`null`, CodeInvalidRequest},
		{`[`, CodeParse}, {`[` + call + `,]`, CodeParse}, {`[` + call + `]]`, CodeParse}, {`[{"a":1,"a":2}]`, CodeParse}, {``, CodeParse},
	} {
		elements, err := DecodeBatch([]byte(tt.data), DefaultLimits())
		if e, ok := AsError(err); !ok || e.Code != tt.code || elements != nil {
			t.Errorf("DecodeBatch(%s) = %v, %v; want %d", tt.data, elements, err, tt.code)
		}
	}

	batch := func(n int) []byte { return []byte("[" + strings.TrimSuffix(strings.Repeat(call+",", n), ",") + "]") }
	for n, ok := range map[int]bool{1: true, 5: true, 6: false} {
		elements, err := DecodeBatch(batch(n), Limits{Batch: 5})
		if (err == nil) != ok || ok && len(elements) != n {
			t.Errorf("batch of %d with limit 5: %d, %v", n, len(elements), err)
		}
	}
	if elements, err := DecodeBatch(batch(200), Limits{}); err != nil || len(elements) != 200 {
		t.Errorf("batch without limit: %d, %v", len(elements), err)
	}
	if _, err := DecodeBatch(batch(5), Limits{Bytes: 20}); err == nil {
		t.Error("a batch over the size limit was taken")
	}
}

func TestIsBatch(t *testing.T) {
	for data, want := range map[string]bool{`[]`: true, " \t\r\n[": true, `{}`: false, ` {"a":[]}`: false, ``: false, `  `: false, `"[`: false} {
		if got := IsBatch([]byte(data)); got != want {
			t.Errorf("IsBatch(%q) = %v", data, got)
		}
	}
}

func TestAppend(t *testing.T) {
	id := StringID("a\"\x7f")
	tests := []struct{ got, want string }{
		{string(AppendRequest(nil, IntID(-1), "m", Raw(`{"a":1}`))), `{"jsonrpc":"2.0","id":-1,"method":"m","params":{"a":1}}`},
		{string(AppendRequest(nil, id, "m\n", nil)), "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"\x7f\",\"method\":\"m\\n\"}"},
		{string(AppendNotification([]byte("x"), "m", nil)), `x{"jsonrpc":"2.0","method":"m"}`},
		{string(AppendResult(nil, IntID(1), Raw(`{}`))), `{"jsonrpc":"2.0","id":1,"result":{}}`},
		{string(AppendError(nil, ID{}, NewError(1, "m"))), `{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}`},
		{string(AppendError(nil, IntID(1), NewError(1, "m").WithData([]int{2}))), `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","data":[2]}}`},
		{string(AppendError(nil, IntID(1), NewError(1, "m\xff").WithData("\xff"))), `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m�","data":"�"}}`},
		{string(AppendString(nil, "a\xffb")), `"a` + "\uFFFD" + `b"`},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %s; want %s", tt.got, tt.want)
		}
	}
}

func TestID(t *testing.T) {
	one, text := IntID(1), StringID("1")
	if one == text || one != IntID(1) || one.IsZero() || !(ID{}).IsZero() {
		t.Error("ids do not compare as they should")
	}
	if n, ok := IntID(-7).Int(); n != -7 || !ok {
		t.Errorf("Int() = %d, %v", n, ok)
	}
	if _, ok := text.Int(); ok {
		t.Error("a string id has an integer value")
	}
	if (ID{}).Raw() != nil || string(text.Raw()) != `"1"` {
		t.Errorf("Raw() = %s", text.Raw())
	}
	for _, bad := range []string{``, `null`, `1.5`, `1e3`, `01`, `-`, `"`, `"a`, `"a"x`, `"a" `, ` 1`, `1 `, `{}`, `"\ud800"`} {
		if id, err := ParseID([]byte(bad)); err == nil || !id.IsZero() {
			t.Errorf("ParseID(%q) = %s, %v", bad, id, err)
		}
	}
	for _, good := range []string{`0`, `-0`, `123456789012345678901234567890`, `""`, `"é"`, `"\u00e9"`} {
		if id, err := ParseID([]byte(good)); err != nil || id.String() != good {
			t.Errorf("ParseID(%q) = %s, %v", good, id, err)
		}
	}
	if id := StringID("\xff"); !id.Raw().IsValid() {
		t.Errorf("StringID of invalid UTF-8 = %s", id)
	}
}

func TestError(t *testing.T) {
	local := Errorf(CodeInternal, "read: %w", io.EOF)
	if local.FromPeer() || !errors.Is(local, io.EOF) || local.Message != "read: EOF" {
		t.Errorf("%+v", local)
	}
	peer := PeerError(-1, "m", Raw(`1`))
	if !peer.FromPeer() || !peer.WithData(2).FromPeer() || string(peer.Data) != "1" {
		t.Errorf("%+v", peer)
	}
	recoded := local.Recode(7, Raw(`{}`))
	if recoded.Code != 7 || recoded.FromPeer() || !errors.Is(recoded, io.EOF) || local.Code != CodeInternal || local.Data != nil {
		t.Errorf("%+v from %+v", recoded, local)
	}
	if !peer.Recode(7, nil).FromPeer() {
		t.Error("Recode forgot who said it")
	}
	if e, ok := AsError(fmt.Errorf("call: %w", peer)); !ok || e != peer {
		t.Errorf("AsError = %v, %v", e, ok)
	}
	if _, ok := AsError(io.EOF); ok {
		t.Error("io.EOF is an *Error")
	}
}
