// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import (
	"strings"
	"unicode"
)

// maxText bounds the bytes of a text that are read, and maxWord those of a word:
// what is longer is data.
const (
	maxText = 16 << 10
	maxWord = 64
)

// firstDense is the first character of a script that puts no spaces between words.
const firstDense = 0x0E00

// words returns the terms of a text: lower case, split at everything but letters
// and digits and where a camelCase name has its humps, plurals as singulars. Scripts
// that put no spaces between words give pairs of neighbouring characters.
func words(text string) []string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	var terms []string
	start := -1
	end := func(at int) {
		if start >= 0 && at-start <= maxWord {
			terms = append(terms, singular(strings.ToLower(text[start:at])))
		}
		start = -1
	}
	lower := false    // the character before was a lower-case letter or a digit
	before := rune(0) // the character before, of a script without spaces
	for i, r := range text {
		if r >= firstDense && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai) {
			end(i)
			pair := []rune{before, r}
			if before == 0 {
				pair = pair[1:]
			}
			terms = append(terms, string(pair))
			before, lower = r, false
			continue
		}
		before = 0
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

// stopWords say nothing of what a tool does. They are neither indexed nor looked
// for.
var stopWords = listed(`
	a about again all also am an and any are as at be because been before being but by can could d did do does during
	each ever for from had has have he help her here hers him his how i id if im in into is it its ive just let like ll
	m me mine my need of on or our ours please re s shall she should so some such t than that the their them then there
	these they this those to too tool us use used using ve very via want was we were what when where which while who
	whom whose why will with would you your yours`)

// listed returns the words of a list as [words] has them.
func listed(list string) map[string]bool {
	all := map[string]bool{}
	for _, word := range words(list) {
		all[word] = true
	}
	return all
}
