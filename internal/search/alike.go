// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import (
	"cmp"
	"slices"
)

// What counts as the same word in another spelling.
const (
	maxAlike    = 5   // terms that stand for one word
	leastAlike  = 0.4 // part of the trigrams that both have
	alikeWeight = 0.8 // of one that has the same trigrams
	swapWeight  = 0.9 // of one with two neighbours swapped
	maxLetters  = 32  // of a word that is looked for
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
