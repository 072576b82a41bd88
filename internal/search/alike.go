// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import (
	"cmp"
	"slices"
	"strings"
)

// What counts as the same word in another spelling, and as a similar name.
const (
	maxAlike    = 5   // terms that stand for one word
	leastAlike  = 0.4 // part of the trigrams that both have
	alikeWeight = 0.8 // of one that has the same trigrams
	swapWeight  = 0.9 // of one with two neighbours swapped
	maxLetters  = 32  // of a word that is looked for
	leastNear   = 0.3 // part of the trigrams that two names have in common
	maxNear     = 50  // names that are compared
	maxName     = 128 // bytes of the one asked for that are
)

// alike returns the terms that are spelled nearly like a word: with two
// neighbouring letters swapped, or with most of its trigrams and few others.
func (x *Index) alike(word string) []alternative {
	var all []alternative
	letters := []rune(word)
	if len(letters) > maxLetters {
		return nil
	}
	for i := range len(letters) - 1 {
		letters[i], letters[i+1] = letters[i+1], letters[i]
		if swapped := string(letters); len(x.terms[swapped]) > 0 {
			all = append(all, alternative{swapped, swapWeight})
		}
		letters[i], letters[i+1] = letters[i+1], letters[i]
	}
	grams, common := trigrams(word), map[string]int{}
	for _, gram := range grams {
		for _, term := range x.grams[gram] {
			common[term]++
		}
	}
	for term, n := range common {
		alike := 2 * float64(n) / float64(len(grams)+len(trigrams(term)))
		if alike >= leastAlike {
			all = append(all, alternative{term, alikeWeight * alike})
		}
	}
	slices.SortFunc(all, func(a, b alternative) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.term, b.term))
	})
	return all[:min(len(all), maxAlike)]
}

// Near returns the names of documents that are most like a name that no document
// has, at most limit. They are found by its words, and ordered by how they are
// spelled.
func (x *Index) Near(name string, limit int) []string {
	type candidate struct {
		name  string
		alike float64
	}
	var near []candidate
	grams := trigrams(strings.ToLower(name[:min(len(name), maxName)]))
	for _, m := range x.Find(name, maxNear) {
		if alike := likeness(grams, trigrams(strings.ToLower(m.Name))); alike >= leastNear {
			near = append(near, candidate{m.Name, alike})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return cmp.Compare(b.alike, a.alike) })
	var names []string
	for _, c := range near[:max(min(len(near), limit), 0)] {
		names = append(names, c.name)
	}
	return names
}

// likeness returns how many of the trigrams of two words are in both, from 0 to 1.
func likeness(a, b []string) float64 {
	common := 0
	for _, gram := range a {
		if slices.Contains(b, gram) {
			common++
		}
	}
	return 2 * float64(common) / float64(len(a)+len(b))
}

// trigrams returns the distinct sequences of three characters of a word, with
// its ends marked: one character is never like another.
func trigrams(word string) []string {
	letters := append(append([]rune("  "), []rune(word)...), ' ')
	all := make([]string, 0, len(letters)-2)
	for i := range len(letters) - 2 {
		if gram := string(letters[i : i+3]); !slices.Contains(all, gram) {
			all = append(all, gram)
		}
	}
	return all
}
