// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var vocabulary = []string{"read", "write", "file", "branch", "commit", "message", "calendar", "event", "search", "deploy", "logs", "invoice", "chart", "screenshot", "container", "table"}

func randomDocument(r *rand.Rand) Document {
	word := func() string { return vocabulary[r.IntN(len(vocabulary))] }
	d := Document{Name: fmt.Sprint("s__", r.IntN(40)), Text: word() + " " + word() + fmt.Sprint(" only", r.IntN(1000)), Details: word()}
	if r.IntN(4) == 0 {
		d.Keywords = word()
	}
	return d
}

// TestUpdateIsAsNew: an index that grew and shrank finds what a new one of the
// same documents finds, and the ones before it still find what they did.
func TestUpdateIsAsNew(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x, documents := New(nil), map[string]Document{}
	questions := append([]string{"raed", "screnshot", "only17", "write a message about the file"}, vocabulary...)
	for range 300 {
		before, found := x, map[string][]Match{}
		for _, q := range questions {
			found[q] = before.Find(q, 50)
		}
		var removed []string
		var added []Document
		for range r.IntN(3) {
			removed = append(removed, fmt.Sprint("s__", r.IntN(40)))
		}
		for range r.IntN(4) {
			added = append(added, randomDocument(r))
		}
		for _, name := range removed {
			delete(documents, name)
		}
		for _, d := range added {
			documents[d.Name] = d
		}
		x = before.Update(removed, added)
		fresh := New(slices.Collect(maps.Values(documents)))
		if x.Len() != len(documents) || len(x.terms) != len(fresh.terms) || len(x.documents) > 40 {
			t.Fatalf("%d documents with %d terms in %d slots, want %d with %d", x.Len(), len(x.terms), len(x.documents), len(documents), len(fresh.terms))
		}
		for _, q := range questions {
			if diff := cmp.Diff(fresh.Find(q, 50), x.Find(q, 50)); diff != "" {
				t.Fatalf("%q (-new +updated):\n%s", q, diff)
			}
			if diff := cmp.Diff(found[q], before.Find(q, 50)); diff != "" {
				t.Fatalf("%q of the index before (-then +now):\n%s", q, diff)
			}
		}
	}
}

// many returns documents of the size that real tools have.
func many(n int) []Document {
	r := rand.New(rand.NewPCG(3, 4))
	word := func() string {
		if r.IntN(3) == 0 {
			return vocabulary[r.IntN(len(vocabulary))]
		}
		return fmt.Sprint("w", int(20_000*r.Float64()*r.Float64()*r.Float64()))
	}
	text := func(words int) (text string) {
		for range words {
			text += word() + " "
		}
		return text
	}
	documents := make([]Document, n)
	for i := range documents {
		documents[i] = Document{Name: fmt.Sprintf("server%d__%s_%s_%d", i%200, word(), word(), i), Text: text(40), Details: text(60)}
	}
	return documents
}

func BenchmarkFind(b *testing.B) {
	x := New(many(5000))
	b.ReportAllocs()
	for b.Loop() {
		x.Find("read the screnshot of the last invoice", 10)
	}
}

// BenchmarkUpdate is one changed document among 5,000.
func BenchmarkUpdate(b *testing.B) {
	documents := many(5000)
	x, changed := New(documents), documents[17]
	b.ReportAllocs()
	for b.Loop() {
		changed.Text += " more"
		x = x.Update(nil, []Document{changed})
	}
}

func BenchmarkNew(b *testing.B) {
	documents := many(5000)
	b.ReportAllocs()
	for b.Loop() {
		New(documents)
	}
}
