// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package search finds tools by the words of a question: an index of names,
// descriptions and parameters, ranked by BM25 with the name counting most. A
// question may use other words than the tool does: synonyms count less than the
// word itself, and a word that no document has stands for those that are spelled
// nearly alike.
//
// It is not a full-text engine. An index is held in memory and never changed:
// [Index.Update] makes the next one, which shares what stays the same.
//
// The package is pure: no goroutine, no I/O, the same answer for the same input.
package search

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// The usual constants of BM25.
const (
	saturation = 1.2
	length     = 0.75
)

// synonymWeight is how much a synonym counts of what the word itself does.
const synonymWeight = 0.7

// Bounds on a question: how many of its words count, and how many of these are
// looked for in other spellings.
const (
	maxWords   = 32
	maxUnknown = 8
	maxJoined  = 3 // neighbours that may be written as one word
)

// Match is a document found.
type Match struct {
	Name  string
	Score float64 // more is better; comparable within one answer
}

// Find returns the documents that answer a question best, at most limit. One
// whose name is a word of the question comes first. Equal scores stand in the
// order of names. A question of stop words alone finds nothing.
func (x *Index) Find(question string, limit int) []Match {
	r := ranking{Index: x, total: make([]float64, len(x.documents)), words: make([]int, len(x.documents)), best: make([]float64, len(x.documents))}
	concepts := x.concepts(question)
	for _, alternatives := range concepts {
		r.add(alternatives)
	}
	var matches []Match
	for slot, total := range r.total {
		if total > 0 {
			covered := float64(r.words[slot]) / float64(len(concepts))
			matches = append(matches, Match{x.documents[slot].name, total * (1 + covered)})
		}
	}
	for _, word := range strings.Fields(question) {
		name := strings.Trim(word, "\"'`.,:;?!()")
		if _, has := x.slots[name]; has {
			matches = slices.DeleteFunc(matches, func(m Match) bool { return m.Name == name })
			matches = append(matches, Match{name, math.MaxFloat64})
		}
	}
	slices.SortFunc(matches, func(a, b Match) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Name, b.Name))
	})
	return matches[:max(min(len(matches), limit), 0)]
}

// alternative is a term of the index that stands for a word of a question.
type alternative struct {
	term   string
	weight float64 // 1 for the word itself
}

// concepts returns, for each word of a question that says something, the terms
// that stand for it: the word itself and its synonyms, or, when no document has
// any of them, those that are spelled nearly alike. Neighbours that a document
// writes as one word ("log in", "who am I") are a further concept.
func (x *Index) concepts(question string) [][]alternative {
	var all [][]alternative
	seen, unknown := map[string]bool{}, 0
	add := func(alternatives []alternative) {
		if len(alternatives) > 0 && len(all) < maxWords {
			all = append(all, alternatives)
		}
	}
	asked := words(question)
	asked = asked[:min(len(asked), 2*maxWords)]
	for _, word := range asked {
		if stopWords[word] || seen[word] {
			continue
		}
		seen[word] = true
		alternatives := x.known(word)
		if len(alternatives) == 0 && unknown < maxUnknown {
			unknown++
			alternatives = x.alike(word)
		}
		add(alternatives)
	}
	for n := 2; n <= maxJoined; n++ {
		for i := 0; i+n <= len(asked); i++ {
			joined := strings.Join(asked[i:i+n], "")
			if !seen[joined] && len(x.terms[joined]) > 0 {
				seen[joined] = true
				add([]alternative{{joined, 1}})
			}
		}
	}
	return all
}

// known returns what documents have of a word and its synonyms.
func (x *Index) known(word string) []alternative {
	var all []alternative
	if len(x.terms[word]) > 0 {
		all = append(all, alternative{word, 1})
	}
	for _, other := range synonyms[word] {
		if len(x.terms[other]) > 0 {
			all = append(all, alternative{other, synonymWeight})
		}
	}
	return all
}

// ranking adds up what the documents of an index are worth, by their slots.
type ranking struct {
	*Index
	total []float64
	words []int     // of the question that the document has
	best  []float64 // for the word that is being added; 0 between words
}

// add adds one word of the question. A document gets what its best alternative
// gives. How rare the word is goes by all documents that have an alternative, lest
// a rare synonym counts more than the common word that was asked for.
func (r *ranking) add(alternatives []alternative) {
	var found []int32
	average := float64(r.length) / float64(max(len(r.slots), 1))
	for _, a := range alternatives {
		for _, p := range r.terms[a.term] {
			norm := saturation * (1 - length + length*float64(r.documents[p.slot].length)/average)
			count := float64(p.count) / textWeight
			if r.best[p.slot] == 0 {
				found = append(found, p.slot)
			}
			r.best[p.slot] = max(r.best[p.slot], a.weight*count*(saturation+1)/(count+norm))
		}
	}
	rarity := math.Log(1 + (float64(len(r.slots)-len(found))+0.5)/(float64(len(found))+0.5))
	for _, slot := range found {
		r.total[slot] += rarity * r.best[slot]
		r.words[slot]++
		r.best[slot] = 0
	}
}
