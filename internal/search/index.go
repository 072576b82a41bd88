// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import (
	"maps"
	"slices"
)

// Document is what can be found, by the words of its parts. Of each part 16 KiB
// are read.
type Document struct {
	Name     string // unique; its words count most
	Keywords string // count as the words of the name do
	Text     string // title and description
	Details  string // names and descriptions of parameters; count least
}

// How much an occurrence counts in each part of a document. They are whole
// numbers so that sums do not depend on the order in which documents came.
const (
	nameWeight    = 30
	textWeight    = 10
	detailsWeight = 3
)

// posting is one document that has a term.
type posting struct {
	slot  int32
	count int32 // weights of the occurrences
}

// indexed is a document in its slot.
type indexed struct {
	name   string
	length int      // weights of all words
	terms  []string // distinct
}

// Index is a set of documents. It is immutable and safe for concurrent use.
type Index struct {
	slots     map[string]int32 // by name
	documents []indexed        // by slot; a free one has no terms
	free      []int32
	length    int // of all documents
	terms     map[string][]posting
	grams     map[string][]string // terms by their trigrams
}

// New returns an index of the documents.
func New(documents []Document) *Index { return (&Index{}).Update(nil, documents) }

// Len returns the number of documents.
func (x *Index) Len() int { return len(x.slots) }

// Update returns an index without the documents called removed and with added,
// which take the place of those that have their names. It costs what these
// documents do, and a shallow copy of the tables.
func (x *Index) Update(removed []string, added []Document) *Index {
	u := &update{
		next: &Index{
			slots: clone(x.slots), documents: slices.Clone(x.documents), free: slices.Clone(x.free),
			length: x.length, terms: clone(x.terms), grams: clone(x.grams),
		},
		terms: map[string]bool{}, grams: map[string]bool{},
	}
	for _, name := range removed {
		u.remove(name)
	}
	for i := range added {
		u.remove(added[i].Name)
		u.add(&added[i])
	}
	return u.next
}

func clone[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// update is an index in the making.
type update struct {
	next         *Index
	terms, grams map[string]bool // whose lists no other index has
}

func (u *update) remove(name string) {
	x := u.next
	slot, has := x.slots[name]
	if !has {
		return
	}
	for _, term := range x.documents[slot].terms {
		left := slices.DeleteFunc(own(x.terms, u.terms, term), func(p posting) bool { return p.slot == slot })
		if x.terms[term] = left; len(left) > 0 {
			continue
		}
		delete(x.terms, term)
		delete(u.terms, term)
		for _, gram := range trigrams(term) {
			x.grams[gram] = slices.DeleteFunc(own(x.grams, u.grams, gram), func(other string) bool { return other == term })
		}
	}
	x.length -= x.documents[slot].length
	x.documents[slot] = indexed{}
	x.free = append(x.free, slot)
	delete(x.slots, name)
}

func (u *update) add(d *Document) {
	x, in, counts := u.next, indexed{name: d.Name}, map[string]int32{}
	count := func(text string, weight int32) {
		for _, term := range words(text) {
			if !stopWords[term] {
				counts[term] += weight
				in.length += int(weight)
			}
		}
	}
	count(d.Name, nameWeight)
	count(d.Keywords, nameWeight)
	count(d.Text, textWeight)
	count(d.Details, detailsWeight)
	in.terms = slices.Collect(maps.Keys(counts))
	slot := u.slot()
	for _, term := range in.terms {
		if _, known := x.terms[term]; !known {
			for _, gram := range trigrams(term) {
				x.grams[gram] = append(own(x.grams, u.grams, gram), term)
			}
		}
		x.terms[term] = append(own(x.terms, u.terms, term), posting{slot, counts[term]})
	}
	x.documents[slot], x.slots[d.Name] = in, slot
	x.length += in.length
}

// slot returns a free slot.
func (u *update) slot() int32 {
	x := u.next
	if last := len(x.free) - 1; last >= 0 {
		slot := x.free[last]
		x.free = x.free[:last]
		return slot
	}
	x.documents = append(x.documents, indexed{})
	return int32(len(x.documents) - 1)
}

// own returns a list of a table that may be changed: a copy, unless it was made
// for this update.
func own[V any](table map[string][]V, owned map[string]bool, key string) []V {
	if owned[key] {
		return table[key]
	}
	owned[key] = true
	return slices.Clone(table[key])
}
