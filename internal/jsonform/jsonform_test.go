// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonform

import (
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func TestPlain(t *testing.T) {
	for number, want := range map[string]string{
		"0": "0", "-0": "0", "-0.0": "0", "0e999999999999999999": "0", "5": "5", "5.0": "5", "-5.00": "-5", "1e3": "1000", "1E+3": "1000", "1.5e1": "15",
		"0.05e2": "5", "100e-2": "1", "9007199254740993.0": "9007199254740993", "1e1000": "1" + strings.Repeat("0", 1000),
		"5.5": "5.5", "1e-1": "1e-1", "1e1001": "1e1001", "1e999999999999999999999": "1e999999999999999999999", "105e-2": "105e-2",
	} {
		if got := string(Plain(jsontext.Value(number))); got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
}

// FuzzPlain holds that a number keeps its value, and loses its fraction and
// exponent if, and only if, it is an integer of a size that can be written.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"5.0", "-1e3", "0.05e2", "1e-1000", "12.30e1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := jsontext.Value(s)
		if !v.IsValid() || v.Kind() != '0' || len(s) > 500 || strings.TrimSpace(s) != s {
			return
		}
		got := string(Plain(v))
		if _, exp, ok := strings.Cut(strings.ToLower(s), "e"); ok && len(strings.TrimLeft(exp, "+-0")) > 3 {
			return // too large to compare
		}
		before, ok := new(big.Rat).SetString(s)
		after, ok2 := new(big.Rat).SetString(got)
		if !ok || !ok2 || before.Cmp(after) != 0 {
			t.Fatalf("%s became %s", s, got)
		}
		if before.IsInt() && len(before.Num().String()) < maxDigits && strings.ContainsAny(got, ".eE") {
			t.Errorf("%s stays %s", s, got)
		}
	})
}

func TestForms(t *testing.T) {
	type all struct {
		D    time.Duration            `json:"d"`
		P    *time.Duration           `json:"p"`
		M    map[time.Duration]string `json:"m"`
		U    url.URL                  `json:"u"`
		Any  any                      `json:"any"`
		Text string                   `json:"text"`
	}
	v := all{D: 90 * time.Second, M: map[time.Duration]string{time.Hour: "h"}, U: url.URL{Scheme: "x", Host: "é", Path: "/a b"}, Any: time.Second, Text: "\xff"}
	b, err := json.Marshal(v, Forms)
	if want := `{"d":"1m30s","p":null,"m":{"1h0m0s":"h"},"u":"x://%C3%A9/a%20b","any":"1s","text":"�"}`; err != nil || string(b) != want {
		t.Fatalf("%s, %v, want %s", b, err, want)
	}
	var back all
	if err := json.Unmarshal(b, &back, Forms); err != nil || back.D != v.D || back.M[time.Hour] != "h" || back.U.String() != v.U.String() {
		t.Errorf("%+v, %v", back, err)
	}
	for _, bad := range []string{`{"d":5}`, `{"d":"5"}`, `{"u":{}}`, `{"u":":"}`} {
		if err := json.Unmarshal([]byte(bad), &back, Forms); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// kind is an integer that has a text form: a number is none.
type kind int

func (k *kind) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "k%d", (*int)(k))
	return err
}

func TestExact(t *testing.T) {
	var v struct {
		I int8              `json:"i"`
		U map[string]uint64 `json:"u"`
		B *big.Int          `json:"b"`
		F float32           `json:"f"`
		A any               `json:"a"`
		K kind              `json:"k"`
	}
	if err := json.Unmarshal([]byte(`{"i":1e2,"u":{"x":18446744073709551615.0},"b":1e30,"f":1e1,"a":1.0,"k":"k7"}`), &v, Exact); err != nil ||
		v.I != 100 || v.U["x"] != 18446744073709551615 || v.B.String() != "1"+strings.Repeat("0", 30) || v.F != 10 || v.A != 1.0 || v.K != 7 {
		t.Errorf("%+v, %v", v, err)
	}
	for text, part := range map[string]string{`{"i":1.28e2}`: "out of the range of int8", `{"i":0.5}`: "0.5 is not an integer", `{"u":{"x":-1.0}}`: "-1.0 is not", `{"k":7}`: "cannot unmarshal"} {
		if err := json.Unmarshal([]byte(text), &v, Exact); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", text, err, part)
		}
	}
}
