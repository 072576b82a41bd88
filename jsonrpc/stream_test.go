// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
)

// copyMembers walks an object and writes it anew, which is what a Stream is for.
func copyMembers(s *Stream) (string, error) {
	var out bytes.Buffer
	if err := s.Open('{'); err != nil {
		return "", err
	}
	out.WriteByte('{')
	for n := 0; ; n++ {
		name, err := s.Member()
		if err != nil {
			return out.String(), err
		}
		if name == nil {
			break
		}
		if n > 0 {
			out.WriteByte(',')
		}
		out.Write(name)
		out.WriteByte(':')
		if err := s.Copy(&out); err != nil {
			return out.String(), err
		}
	}
	out.WriteByte('}')
	return out.String(), s.End()
}

func TestStreamCopies(t *testing.T) {
	long := strings.Repeat(`long "\" ☃ text `, 20_000)
	big := `{"a":` + string(AppendString(nil, long)) + `,"b":[` + strings.Repeat(`{"x":[1,-2.5e+7,true,null,""]},`, 9000) + `0],"c":{}}`
	spaced := strings.NewReplacer(`{"x"`, "{\r\n \"x\"", `,"b"`, " ,\n\t\"b\"", `null`, "\nnull\r").Replace(big)
	for _, tc := range []struct{ name, in, want string }{
		{"compact", big, big},
		{"spaced", "\n" + spaced + "\n", big},
		{"names", `{"\u0061\/b":"\u0061","\ud83d\ude00":"\ud83d\ude00"}`, `{"a/b":"\u0061","😀":"\ud83d\ude00"}`},
		{"empty", ` { } `, `{}`},
	} {
		for _, r := range []io.Reader{
			strings.NewReader(tc.in), iotest.OneByteReader(strings.NewReader(tc.in)),
			iotest.DataErrReader(iotest.HalfReader(strings.NewReader(tc.in))),
		} {
			got, err := copyMembers(NewStream(r, Limits{}))
			if err != nil || got != tc.want {
				t.Errorf("%s: got %.80q (%d bytes), %v; want %d bytes", tc.name, got, len(got), err, len(tc.want))
			}
		}
	}
}

func TestStreamRefuses(t *testing.T) {
	limits := Limits{Depth: 4, Keys: 3}
	for _, tc := range []struct{ in, want string }{
		{`{"a":1,"\u0061":2}`, "duplicate"},
		{`{"a":1,"b":1,"c":1,"d":1}`, "more members"},
		{`{"a":[[[[0]]]]}`, "nested deeper"},
		{`{"` + strings.Repeat("n", 2000) + `":1}`, "member name is over"},
		{`{"a":"\ud800xxxxx"}`, "invalid character"},
		{`{"a":"\udc00"}`, "surrogate"},
		{"{\"a\":\"\xff\"}", "UTF-8"},
		{"{\"a\":\"\xe2\x98\"}", "UTF-8"},
		{"{\"a\":\"\n\"}", "invalid character"},
		{`{"a":01}`, "invalid character"},
		{`{"a":1}x`, "invalid character"},
		{`[1]`, "not the object"},
		{`{"a":"abc`, "breaks off"},
		{`{"a":12`, "breaks off"},
	} {
		_, err := copyMembers(NewStream(strings.NewReader(tc.in), limits))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.40s: %v, want %q", tc.in, err, tc.want)
		}
	}
}

func TestStreamLimits(t *testing.T) {
	in := `{"a":"` + strings.Repeat("x", 300_000) + `"}`
	s := NewStream(strings.NewReader(in), Limits{Bytes: 200_000})
	if _, err := copyMembers(s); err == nil || !strings.Contains(err.Error(), "over the limit of 200000 bytes") {
		t.Errorf("over the limit: %v", err)
	}
	s = NewStream(strings.NewReader(in), Limits{})
	if err := s.Open('{'); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Member(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Value(100_000); err == nil || !strings.Contains(err.Error(), "over the limit of 100000 bytes") {
		t.Errorf("value over the limit: %v", err)
	}
	if _, again := s.Member(); again == nil {
		t.Error("a Stream goes on after an error")
	}
	broken := errors.New("broken")
	s = NewStream(io.MultiReader(strings.NewReader(`{"a":[1,`), iotest.ErrReader(broken)), Limits{})
	if _, err := copyMembers(s); !errors.Is(err, broken) {
		t.Errorf("error of the reader: %v", err)
	}
	s = NewStream(io.MultiReader(strings.NewReader(`{"a":1}`), iotest.ErrReader(io.ErrUnexpectedEOF)), Limits{})
	if _, err := copyMembers(s); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that was cut off behind its value: %v", err)
	}
}

// TestStreamWindow puts everything that has several bytes across the end of the window.
func TestStreamWindow(t *testing.T) {
	for shift := range 16 {
		head := `{"a":"` + strings.Repeat("x", streamWindow-16+shift)
		for _, tail := range []string{`\u00e9"}`, `\ud83d\ude00"}`, `é😀"}`, `\\\""}`, `",  "b":true}`, `","b":-10.25e-3}`, `"   }  `} {
			in := head + tail
			want := strings.ReplaceAll(in, " ", "")
			if got, err := copyMembers(NewStream(strings.NewReader(in), Limits{})); err != nil || got != want {
				t.Fatalf("shift %d, %q: %v", shift, tail, err)
			}
		}
	}
}

// FuzzStream holds a Stream against a decoder that has all of the text.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"é\u00e9\ud83d\ude00"}]}}`,
		"{ \"a\" : [ 1 , -0.5E+3 , true , false , null , {} , [] ]\r\n}", `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`,
		`{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":tru}`, `{"a":"\ud800"}`, "{\"a\":\"\x80\"}", `{"a":[1,]}`, `{,}`, `{"a"}`,
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, chunk uint8) {
		if bytes.IndexByte(in, '{') < 0 {
			return
		}
		got, err := copyMembers(NewStream(&chunks{in, int(chunk)%7 + 1}, Limits{Depth: 1000, Keys: 1 << 30}))
		want, valid := reference(in)
		if valid != (err == nil) {
			t.Fatalf("%q: %v, but valid is %t", in, err, valid)
		}
		if err == nil && got != want {
			t.Fatalf("%q: got %q, want %q", in, got, want)
		}
		if bytes.ContainsAny([]byte(got), "\n\r") {
			t.Fatalf("%q: newline in %q", in, got)
		}
	})
}

// reference does what copyMembers does with a decoder of tokens.
func reference(in []byte) (string, bool) {
	whole := Raw(append([]byte(nil), in...))
	if whole.Kind() != '{' || whole.Format(jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true)) != nil {
		return "", false
	}
	out, seen := "{", map[string]bool{}
	for name, value := range Members(whole) {
		plain, _ := Unquote(name)
		if seen[plain] || len(name) > streamName-1 {
			return "", false
		}
		if seen[plain] = true; len(seen) > 1 {
			out += ","
		}
		kept := append(Raw(nil), value...)
		_ = kept.Format(jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true))
		canonical := name
		if bytes.IndexByte(name, '\\') >= 0 {
			canonical = AppendString(nil, plain)
		}
		out += fmt.Sprintf("%s:%s", canonical, kept)
	}
	return out + "}", true
}

// chunks yields a few bytes at a time.
type chunks struct {
	rest []byte
	n    int
}

func (c *chunks) Read(p []byte) (int, error) {
	n := min(c.n, len(p), len(c.rest))
	if n == 0 {
		return 0, io.EOF
	}
	copy(p, c.rest[:n])
	c.rest = c.rest[n:]
	return n, nil
}

func BenchmarkStream(b *testing.B) {
	for name, value := range map[string]string{
		"base64": `"` + strings.Repeat("QUJD", 1<<18) + `"`,
		"text":   `"` + strings.Repeat(`A line of é text\n`, 1<<16) + `"`,
		"rows":   "[" + strings.Repeat(`{"id":1234567,"name":"x","tags":["a","b"]},`, 1<<15) + "0]",
	} {
		in := []byte(`{"a":` + value + `}`)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				s := NewStream(bytes.NewReader(in), Limits{})
				_ = s.Open('{')
				if _, err := s.Member(); err != nil {
					b.Fatal(err)
				}
				if err := s.Copy(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestStreamRepair: what is no Unicode is read as DecodeLenient reads it, wherever the window ends.
func TestStreamRepair(t *testing.T) {
	for in, want := range map[string]string{
		`"a\ud83d"`:                `"a\ufffd"`,
		`"\ude00\ud83d"`:           `"\ufffd\ufffd"`,
		`"\ud83d\ud83d\ude00"`:     `"\ufffd\ud83d\ude00"`,
		`"\ud83d\n\\ud83d"`:        `"\ufffd\n\\ud83d"`,
		`"\ud83d\ude00\u00e9"`:     `"\ud83d\ude00\u00e9"`,
		"\"caf\xe9\"":              "\"caf\ufffd\"",
		"\"\xff\xfe é\xf0\x9f\"":   "\"\ufffd\ufffd é\ufffd\ufffd\"",
		"{\"\xff\":[\"\\ud83d\"]}": "{\"\ufffd\":[\"\\ufffd\"]}",
	} {
		for pad := streamWindow - 24; pad < streamWindow+4; pad++ {
			var out bytes.Buffer
			s := NewStream(strings.NewReader(strings.Repeat(" ", pad)+"["+in+"]"), Limits{})
			s.Repair()
			if err := s.Copy(&out); err != nil || out.String() != "["+want+"]" || s.End() != nil {
				t.Fatalf("%q behind %d bytes: %q, %v; want %q", in, pad, out.String(), err, want)
			}
			if !Raw(out.Bytes()).IsValid() {
				t.Fatalf("%q is not valid", out.String())
			}
		}
		if err := NewStream(strings.NewReader(in), Limits{}).Copy(nil); (err == nil) != (in == want) {
			t.Errorf("%q without repair: %v", in, err)
		}
	}
}
