// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSealOpens(t *testing.T) {
	r := NewRing()
	for _, plain := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("y"), 4096)} {
		token := r.Seal(Session, "alice", plain)
		got, err := r.Open(Session, "alice", token)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %q, %v; want %q", got, err, plain)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	r := NewRing()
	token := r.Seal(State, "alice", []byte("secret"))
	flipped := []byte(token)
	flipped[len(flipped)-3] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another purpose":   func() ([]byte, error) { return r.Open(Session, "alice", token) },
		"another binding":   func() ([]byte, error) { return r.Open(State, "bob", token) },
		"another ring":      func() ([]byte, error) { return NewRing().Open(State, "alice", token) },
		"an altered token":  func() ([]byte, error) { return r.Open(State, "alice", string(flipped)) },
		"an appended token": func() ([]byte, error) { return r.Open(State, "alice", token+"-TAMPERED") },
		"an empty token":    func() ([]byte, error) { return r.Open(State, "alice", "") },
		"a huge token":      func() ([]byte, error) { return r.Open(State, "alice", strings.Repeat("A", maxToken+1)) },
	} {
		if plain, err := open(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s opens: %q, %v", name, plain, err)
		}
	}
}

func TestRingSurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	first, err := OpenRing(path)
	if err != nil {
		t.Fatal(err)
	}
	token := first.Seal(Session, "", []byte("kept"))
	second, err := OpenRing(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Open(Session, "", token); err != nil || string(got) != "kept" {
		t.Fatalf("Open after restart = %q, %v", got, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("key file has mode %v, want 0600", info.Mode().Perm())
	}
}

func TestOpenRingRefuses(t *testing.T) {
	dir := t.TempDir()
	short, open := filepath.Join(dir, "short"), filepath.Join(dir, "open")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open, make([]byte, keyBytes), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{short: "5 bytes", open: "chmod 600", filepath.Join(dir, "no", "key"): "no such file"} {
		if _, err := OpenRing(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("OpenRing(%s) = %v, want an error with %q", filepath.Base(path), err, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	r := NewRing()
	f.Add(r.Seal(Cursor, "", []byte("a")))
	f.Add("")
	valid := map[string]bool{r.Seal(Cursor, "", nil): true}
	f.Fuzz(func(t *testing.T, token string) {
		if plain, err := r.Open(Cursor, "b", token); err == nil && !valid[token] {
			t.Fatalf("a token nobody sealed opens to %q", plain)
		}
	})
}

func BenchmarkTicket(b *testing.B) {
	r, plain := NewRing(), make([]byte, 128)
	token := r.Seal(Session, "alice", plain)
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Seal(Session, "alice", plain)
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Open(Session, "alice", token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestKeyUnknown holds what becomes of a token whose key a ring does not have: not
// valid where nobody knows of other keys, or those who do say there is none; opened
// when they have it; and otherwise neither.
func TestKeyUnknown(t *testing.T) {
	newer, key := NewRing(), bytes.Repeat([]byte{2}, keyBytes)
	if err := newer.Use(key); err != nil {
		t.Fatal(err)
	}
	token := newer.Seal(Session, "alice", []byte("x"))
	for name, tc := range map[string]struct {
		refresh func(*Ring) error
		want    error
	}{
		"nobody to ask":  {nil, ErrInvalid},
		"no such key":    {func(*Ring) error { return nil }, ErrInvalid},
		"nobody answers": {func(*Ring) error { return errors.New("apart") }, ErrBehind},
		"a newer key":    {func(r *Ring) error { return r.Use(key, bytes.Repeat([]byte{1}, keyBytes)) }, nil},
	} {
		r, err := RingOf(bytes.Repeat([]byte{1}, keyBytes))
		if err != nil {
			t.Fatal(err)
		}
		if tc.refresh != nil {
			r.Follow(func(ctx context.Context) error {
				if _, bounded := ctx.Deadline(); !bounded {
					t.Errorf("%s: it may wait for ever", name)
				}
				return tc.refresh(r)
			})
		}
		if _, err := r.Open(Session, "alice", token); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		if _, err := r.Open(Session, "alice", r.Seal(Session, "bob", nil)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: a token of a key that is there, for somebody else: %v", name, err)
		}
	}
}

// TestKeyRemoved holds that who keeps what was opened can tell when keys have changed
// and when one has gone, and that a key's seals are counted as long as it is there.
func TestKeyRemoved(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, keyBytes), bytes.Repeat([]byte{2}, keyBytes)
	r, err := RingOf(one)
	if err != nil {
		t.Fatal(err)
	}
	token := r.Seal(Session, "", nil)
	r.Seal(Session, "", nil)
	first, removed := r.Generation(), r.Removed()
	if err := r.Use(two, one); err != nil {
		t.Fatal(err)
	}
	r.Seal(Session, "", nil)
	if n, m := r.Sealed(one), r.Sealed(two); n != 2 || m != 1 {
		t.Errorf("%d and %d seals, want 2 and 1", n, m)
	}
	second := r.Generation()
	select {
	case <-removed:
		t.Error("a key was added, and one is said to be gone")
	default:
	}
	if err := r.Use(two); err != nil {
		t.Fatal(err)
	}
	select {
	case <-removed:
	default:
		t.Error("a key has gone, and nobody is told")
	}
	if third := r.Generation(); first == second || second == third {
		t.Errorf("generations %d, %d, %d", first, second, third)
	}
	if _, err := r.Open(Session, "", token); !errors.Is(err, ErrInvalid) {
		t.Errorf("opened with a key that is gone: %v", err)
	}
	if n := r.Sealed(one); n != 0 {
		t.Errorf("%d seals of a key that is gone", n)
	}
}
