// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/go-json-experiment/json"
)

var decodeSeeds = []string{
	`{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[1,{"b":"\u00e9"}]}}`,
	` { "jsonrpc" : "2.0" , "id" : "x" , "result" : { } } `,
	`{"jsonrpc":"2.0","error":{"code":-32600,"message":"m","data":null},"id":null}`,
	`{"jsonrpc":"2.0","m\u0065thod":"m"}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `[`, `null`, `{"id":1e3}`,
}

// FuzzDecode checks that what is decoded and written is decoded as the same,
// and that strictness is that of the JSON library.
func FuzzDecode(f *testing.F) {
	for _, seed := range decodeSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		m, err := Decode(data, DefaultLimits())
		if !bytes.Equal(data, before) {
			t.Fatal("the input was modified")
		}
		if err != nil {
			if e, ok := AsError(err); !ok || e.Code != CodeParse && e.Code != CodeInvalidRequest {
				t.Fatalf("error %v", err)
			}
			return
		}
		var anything any
		if err := json.Unmarshal(data, &anything); err != nil {
			t.Fatalf("%q was taken, but %v", data, err)
		}
		text := AppendMessage(nil, &m)
		again, err := Decode(text, Limits{})
		if err != nil {
			t.Fatalf("%q became %q: %v", data, text, err)
		}
		if say(again) != say(m) || again.ID != m.ID || again.Kind() != m.Kind() {
			t.Fatalf("%q became %q", data, text)
		}
		if twice := AppendMessage(nil, &again); !bytes.Equal(twice, text) {
			t.Fatalf("%q became %q", text, twice)
		}
	})
}

// FuzzDecodeBatch checks that each message of a batch is what it is alone.
func FuzzDecodeBatch(f *testing.F) {
	for _, seed := range decodeSeeds {
		f.Add([]byte("[" + seed + "]"))
	}
	f.Add([]byte(`[{"jsonrpc":"2.0","method":"m"} , 1]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		elements, err := DecodeBatch(data, DefaultLimits())
		var members []Raw
		text, ok := valid(data)
		broken := !ok || json.Unmarshal(text, &members) != nil
		if broken != (err != nil) && len(members) > 0 && len(members) <= DefaultLimits().Batch && DefaultLimits().check(data) == nil {
			t.Fatalf("%q: %v", data, err)
		}
		if err != nil {
			if elements != nil {
				t.Fatal("elements together with an error")
			}
			return
		}
		if len(elements) != len(members) {
			t.Fatalf("%q: %d elements of %d", data, len(elements), len(members))
		}
		for i, e := range elements {
			alone, err := Decode(members[i], Limits{})
			if (err == nil) != (e.Err == nil) || say(alone) != say(e.Message) {
				t.Fatalf("%q: %s; alone %s, %v", members[i], say(e.Message), say(alone), err)
			}
		}
	})
}

// FuzzLineReader compares the reader with splitting the whole text.
func FuzzLineReader(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nlonger than that\nc"), 4)
	f.Add([]byte("12345\n"), 5)
	f.Add([]byte("1234\r\r\n"), 4)
	f.Fuzz(func(t *testing.T, text []byte, max int) {
		if max < 1 || max > 1<<16 {
			return
		}
		lines := NewLineReader(bytes.NewReader(text), max)
		var got [][]byte
		for {
			line, err := lines.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil && !errors.Is(err, ErrLineTooLong) {
				t.Fatal(err)
			}
			if err == nil && len(line) == 0 || len(line) > max || bytes.IndexByte(line, '\n') >= 0 {
				t.Fatalf("read %q, %v with the limit %d", line, err, max)
			}
			got = append(got, line)
		}
		var want [][]byte
		for part := range bytes.SplitSeq(text, []byte("\n")) {
			switch line := bytes.TrimSuffix(part, []byte("\r")); {
			case len(line) > max:
				want = append(want, nil)
			case len(line) > 0:
				want = append(want, line)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q with the limit %d: read %q; want %q", text, max, got, want)
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%q with the limit %d: line %d is %q; want %q", text, max, i, got[i], want[i])
			}
		}
	})
}
