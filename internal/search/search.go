// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package search finds short documents by the words of a question: an index of
// names and descriptions, ranked by BM25 with the name counting more. It is not
// a full-text engine: an index is built once, held in memory and never changed.
//
// The package is pure: no goroutine, no I/O, the same answer for the same input.
package search

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
)

// Document is what can be found.
type Document struct {
	Name string // its words count several times
	Text string
}

// Match is a document found.
type Match struct {
	Document int // its number, in the order given to [New]
	Score    float64
}

// The usual constants of BM25, and how often a word of a name counts.
const (
	saturation = 1.2
	length     = 0.75
	nameWeight = 3
)

// maxWords bounds the words of a question that count, and maxText the bytes of
// one document that are read.
const (
	maxWords = 32
	maxText  = 16 << 10
)

// posting is one document that holds a term.
type posting struct {
	document int32
	weight   float32 // occurrences, normalized by the document's length
}

// Index is a set of documents. It is immutable and safe for concurrent use.
type Index struct {
	terms map[string][]posting // in the order of documents
	size  int
}

// New returns an index of the documents.
func New(documents []Document) *Index {
	x := &Index{terms: map[string][]posting{}, size: len(documents)}
	counts := make([]map[string]float64, len(documents))
	lengths, total := make([]float64, len(documents)), 0.0
	for i, d := range documents {
		counts[i] = map[string]float64{}
		add := func(text string, weight float64) {
			for _, term := range words(text) {
				counts[i][term] += weight
				lengths[i] += weight
			}
		}
		add(d.Name, nameWeight)
		add(d.Text, 1)
		total += lengths[i]
	}
	average := max(total/max(float64(len(documents)), 1), 1)
	for i, terms := range counts {
		norm := saturation * (1 - length + length*lengths[i]/average)
		for term, n := range terms {
			x.terms[term] = append(x.terms[term], posting{int32(i), float32(n * (saturation + 1) / (n + norm))})
		}
	}
	return x
}

// Len returns the number of documents.
func (x *Index) Len() int { return x.size }

// Find returns the documents that answer a question best, at most limit. Equal
// scores stand in the order of the documents. A question without a word that is
// indexed finds nothing.
func (x *Index) Find(question string, limit int) []Match {
	terms := words(question)
	slices.Sort(terms)
	terms = slices.Compact(terms)
	scores := map[int32]float64{}
	for _, term := range terms[:min(len(terms), maxWords)] {
		found := x.terms[term]
		rarity := math.Log(1 + (float64(x.size)-float64(len(found))+0.5)/(float64(len(found))+0.5))
		for _, p := range found {
			scores[p.document] += rarity * float64(p.weight)
		}
	}
	matches := make([]Match, 0, len(scores))
	for document, score := range scores {
		matches = append(matches, Match{int(document), score})
	}
	slices.SortFunc(matches, func(a, b Match) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Document, b.Document))
	})
	return matches[:max(min(len(matches), limit), 0)]
}

// words returns the terms of a text: lower case, split at everything but letters
// and digits and where a camelCase name has its humps, plurals as singulars.
func words(text string) []string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	var terms []string
	start := -1
	end := func(at int) {
		if start >= 0 {
			terms = append(terms, singular(strings.ToLower(text[start:at])))
		}
		start = -1
	}
	lower := false // the character before was a lower-case letter or a digit
	for i, r := range text {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end(i)
		case start < 0:
			start = i
		case lower && unicode.IsUpper(r):
			end(i)
			start = i
		}
		lower = unicode.IsLower(r) || unicode.IsDigit(r)
	}
	end(len(text))
	return terms
}

// singular strips the ending of an English plural, which is enough to let
// "files" find "file".
func singular(word string) string {
	switch {
	case len(word) > 4 && strings.HasSuffix(word, "ies"):
		return word[:len(word)-3] + "y"
	case len(word) > 3 && strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "ss"):
		return word[:len(word)-1]
	}
	return word
}
