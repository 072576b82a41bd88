// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"errors"
	"strings"
	"testing"
)

// answers returns the response around a result.
func around(result string) string { return `{"jsonrpc":"2.0","id":5,"result":` + result + `}` }

// TestDecodeLenientRepairs: what servers send that is not quite right is read as official clients do.
func TestDecodeLenientRepairs(t *testing.T) {
	for name, c := range map[string]struct {
		data   string
		want   string // the message, written anew
		faults Faults
	}{
		"right":           {around(`{"a":null,"b":[]}`), around(`{"a":null,"b":[]}`), 0},
		"half pair":       {around(`{"a":"\ud83d"}`), around(`{"a":"` + "\ufffd" + `"}`), FaultText},
		"pair":            {around(`{"a":"\ud83d\ude00"}`), around(`{"a":"\ud83d\ude00"}`), 0},
		"Latin-1":         {around("{\"a\":\"caf\xe9\"}"), around(`{"a":"caf` + "\ufffd" + `"}`), FaultText},
		"cut UTF-8":       {around("{\"a\":\"\xf0\x9f\x98 \xff\xfe \xe2\x82\"}"), around(`{"a":"` + "\ufffd \ufffd\ufffd \ufffd" + `"}`), FaultText},
		"control":         {around("{\"a\":\"x\ty\"}"), around(`{"a":"x\ty"}`), FaultText},
		"twice":           {around(`{"a":1,"a":2}`), around(`{"a":2}`), FaultDuplicate},
		"twice, escaped":  {around(`{"a":{"b":1},"\u0061":{"c":1,"c":[{"d":1,"d":2}]}}`), around(`{"a":{"c":[{"d":2}]}}`), FaultDuplicate},
		"mark before":     {"\ufeff" + around(`{}`), around(`{}`), FaultAround},
		"escapes":         {"\x1b]0;title\x07\x1b[0m\x1b=" + around(`{}`) + "\x1b[0m\x00", around(`{}`), FaultAround},
		"no version":      {`{"id":5,"result":{}}`, around(`{}`), FaultVersion},
		"version 2":       {`{"jsonrpc":2.0,"id":5,"result":{}}`, around(`{}`), FaultVersion},
		"id with point":   {`{"jsonrpc":"2.0","id":5.0,"result":{}}`, around(`{}`), FaultID},
		"id with power":   {`{"jsonrpc":"2.0","id":5e0,"result":{}}`, around(`{}`), FaultID},
		"error null":      {`{"jsonrpc":"2.0","id":5,"result":{},"error":null}`, around(`{}`), FaultKind},
		"error list":      {`{"jsonrpc":"2.0","id":5,"result":{},"error":[ ]}`, around(`{}`), FaultKind},
		"error empty":     {`{"jsonrpc":"2.0","id":5,"result":{},"error":{}}`, around(`{}`), FaultKind},
		"error false":     {`{"jsonrpc":"2.0","id":5,"result":{},"error":false}`, around(`{}`), FaultKind},
		"result null":     {`{"jsonrpc":"2.0","id":5,"result":null,"error":{"code":1,"message":"m"}}`, `{"jsonrpc":"2.0","id":5,"error":{"code":1,"message":"m"}}`, FaultKind},
		"both":            {`{"jsonrpc":"2.0","id":5,"result":{},"error":{"code":1,"message":"m"}}`, `{"jsonrpc":"2.0","id":5,"error":{"code":1,"message":"m"}}`, FaultKind},
		"nothing":         {around(`null`), around(`{}`), FaultKind},
		"list":            {around(`[]`), around(`{}`), FaultKind},
		"all members":     {`{"jsonrpc":"2.0","id":5,"method":null,"params":null,"result":{},"error":null}`, around(`{}`), FaultKind},
		"params null":     {`{"jsonrpc":"2.0","method":"m","params":null}`, `{"jsonrpc":"2.0","method":"m"}`, 0},
		"params list":     {`{"jsonrpc":"2.0","method":"m","params":[]}`, `{"jsonrpc":"2.0","method":"m","params":{}}`, FaultKind},
		"error text":      {`{"jsonrpc":"2.0","id":5,"error":"boom"}`, `{"jsonrpc":"2.0","id":5,"error":{"code":-32603,"message":"boom"}}`, FaultKind},
		"error code":      {`{"jsonrpc":"2.0","id":5,"error":{"code":"E","message":"boom"}}`, `{"jsonrpc":"2.0","id":5,"error":{"code":-32603,"message":"boom"}}`, FaultKind},
		"error code text": {`{"jsonrpc":"2.0","id":5,"error":{"code":"-32000","message":"boom"}}`, `{"jsonrpc":"2.0","id":5,"error":{"code":-32000,"message":"boom"}}`, FaultKind},
		"error no code":   {`{"jsonrpc":"2.0","id":5,"error":{"message":"boom"}}`, `{"jsonrpc":"2.0","id":5,"error":{"code":-32603,"message":"boom"}}`, FaultKind},
		"error no words":  {`{"jsonrpc":"2.0","id":5,"error":{"code":-32000.0,"data":null}}`, `{"jsonrpc":"2.0","id":5,"error":{"code":-32000,"message":"the server gave no reason"}}`, FaultKind},
	} {
		t.Run(name, func(t *testing.T) {
			m, faults, err := DecodeLenient([]byte(c.data), DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			got := AppendMessage(nil, &m)
			if string(got) != c.want || faults != c.faults {
				t.Errorf("got %s (%q), want %s (%q)", got, faults.Names(), c.want, c.faults.Names())
			}
			if !Raw(got).IsValid() {
				t.Error("it is not valid")
			}
		})
	}
}

// TestDecodeLenientKeepsID: of what cannot be read the id is, wherever it stands.
func TestDecodeLenientKeepsID(t *testing.T) {
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for data, method := range map[string]string{
		`{"jsonrpc":"2.0","id":5,"result":{"content":[}}`:                      "",
		`{"result":{"content":[undefined]},"jsonrpc":"2.0","id":5}`:            "",
		`{"jsonrpc":"2.0","id":5,"result":{"content":[{"type":"te`:             "",
		`{"jsonrpc":"2.0","id":5,"result":{"a":` + deep + `}}`:                 "",
		`{"jsonrpc":"2.0","result":{"a":` + deep + `},"id":5}`:                 "",
		`{"jsonrpc":"2.0","id":5}`:                                             "",
		`{"result":{"a":[[[]},"jsonrpc":"2.0","id":5}`:                         "",
		`{"result":{"a":[[[]},"id":5,"jsonrpc":"2.0"}`:                         "",
		`{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{`: "sampling/createMessage",
	} {
		m, _, err := DecodeLenient([]byte(data), DefaultLimits())
		if err == nil || errors.Is(err, ErrNoMessage) || m.ID != IntID(5) || m.Method != method {
			t.Errorf("%.80s: id %q, method %q, error %v", data, m.ID, m.Method, err)
		}
	}
}

// TestDecodeLenientOther tells what is no message from what is one that cannot be read.
func TestDecodeLenientOther(t *testing.T) {
	for _, data := range []string{
		"[INFO] starting", "{starting}", "Server running", `{"level":30,"id":5,"msg":"on"}`, `"text"`, "42", "null", "[]", "{}", "{", "}", "",
		`{ jsonrpc: '2.0', id: 5 }`, `{"method":"GET","path":"/"}`, `{"id":5,"result":"ok"}`, `{"id":"a","error":"E"}`, "\x00\xff", "\x1b[2K",
	} {
		if m, _, err := DecodeLenient([]byte(data), DefaultLimits()); !errors.Is(err, ErrNoMessage) {
			t.Errorf("%q: message %+v, error %v", data, m, err)
		}
	}
	for _, data := range []string{`{"jsonrpc":"2.0"}`, `{"jsonrpc":"2.0","id":5,"result":`, `{"id":5,"result":{`, `{"jsonrpc":"2.0","method":"m","params":[1]}`} {
		if _, _, err := DecodeLenient([]byte(data), DefaultLimits()); err == nil || errors.Is(err, ErrNoMessage) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func TestDecodeBatchLenient(t *testing.T) {
	elements, faults, err := DecodeBatchLenient([]byte(`[`+around(`{"a":"\ud83d"}`)+`,{"jsonrpc":"2.0","id":6,"error":"boom"},{"jsonrpc":"2.0","id":7}]`), DefaultLimits())
	if err != nil || faults != FaultText|FaultKind || len(elements) != 3 {
		t.Fatalf("%d elements, faults %q, error %v", len(elements), faults.Names(), err)
	}
	if elements[0].Err != nil || elements[1].Err != nil || elements[2].Err == nil || elements[2].Message.ID != IntID(7) {
		t.Errorf("got %+v", elements)
	}
	for _, data := range []string{"[1,2,3]", `[{"a":1}]`, "[null]", "[INFO]"} {
		if _, _, err := DecodeBatchLenient([]byte(data), DefaultLimits()); !errors.Is(err, ErrNoMessage) {
			t.Errorf("%s: %v", data, err)
		}
	}
}

// TestDecodeHalfPairs: clients may send half a surrogate pair too. What else parsers may read in different ways stays refused.
func TestDecodeHalfPairs(t *testing.T) {
	m, err := Decode([]byte(`{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"x\ud83d","b":"\\ud83d","c":"\ud83d\ude00"}}`), DefaultLimits())
	if want := `{"a":"x\ufffd","b":"\\ud83d","c":"\ud83d\ude00"}`; err != nil || string(m.Params) != want {
		t.Errorf("params %s, error %v, want %s", m.Params, err, want)
	}
	for _, data := range []string{`{"a":1,"a":"\ud83d"}`, "{\"a\":\"\xff\"}", "{\"a\":\"\\ud83d\t\"}"} {
		m, err := Decode([]byte(`{"jsonrpc":"2.0","id":7,"method":"m","params":`+data+`}`), DefaultLimits())
		if err == nil || m.ID != IntID(7) {
			t.Errorf("%q: id %q, error %v", data, m.ID, err)
		}
	}
}

func FuzzDecodeLenient(f *testing.F) {
	for _, seed := range []string{around(`{"a":"\ud83d"}`), "\x1b[0m" + around(`{"a":1,"a":2}`), `{"id":5.0,"error":"x"}`, "{\"a\":\"\t\xff", `{"result":[}],"id":5}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, faults, err := DecodeLenient(data, DefaultLimits())
		if err != nil {
			return
		}
		written := AppendMessage(nil, &m)
		again, err := Decode(written, DefaultLimits())
		if err != nil || again.Kind() != m.Kind() {
			t.Errorf("%q became %q: %v", data, written, err)
		}
		if strict, err := Decode(data, DefaultLimits()); faults == 0 && (err != nil || strict.ID != m.ID) {
			t.Errorf("%q is read without faults: %v", data, err)
		}
	})
}
