// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/rand"
	"fmt"
	"math"
	"strings"
)

const (
	// minSecret is the least length of a secret, in bytes.
	minSecret = 16
	// minGuessBits is how hard to guess a secret must look. Stretched, a guess costs
	// a fifth of a second of a core: 2^44 of them take a thousand cores a century.
	minGuessBits = 44
)

// NewSecret returns a secret for a cluster: 130 bits at random, in letters and digits.
func NewSecret() string {
	for {
		if s := rand.Text(); CheckSecret(s) == nil { // one of some 20,000 reads like words
			return s
		}
	}
}

// CheckSecret refuses a secret that is easily guessed, in words for an operator.
func CheckSecret(secret string) error {
	const remedy = "make one with holdfast secret"
	if len(secret) < minSecret {
		return fmt.Errorf("the cluster secret has %d bytes, and needs at least %d at random; %s", len(secret), minSecret, remedy)
	}
	if bits := guessBits(secret); bits < minGuessBits {
		return fmt.Errorf("the cluster secret can be guessed: it is worth about %.0f bits, and needs %d; %s", bits, minGuessBits, remedy)
	}
	return nil
}

// What parts of a secret are worth, in bits.
const (
	letterBits    = 4.7 // a letter of no word
	digitBits     = 3.3
	otherBits     = 5
	separatorBits = 1
	wordBits      = 12 // a word of a dictionary, or each eight letters of what reads like words
	wordLetters   = 8
	knownBits     = 4 // a word that is tried first
	repeatBits    = 1 // the byte before once more
)

// knownWords are tried first. Longer ones stand before those they contain.
var knownWords = []string{
	"administrator", "qwertyuiop", "passphrase", "production", "holdfast", "password", "passwort", "changeme", "iloveyou",
	"welcome", "letmein", "default", "staging", "example", "company", "cluster", "gateway", "testing", "zxcvbn", "asdfgh",
	"qwerty", "secret", "please", "server", "admin", "token", "node", "test", "mcp",
}

// guessBits estimates how many bits of chance are in a secret that a person may have
// made up. It errs to the low side for words and knows no other language's.
func guessBits(secret string) (bits float64) {
	secret = period(secret)
	for i := 0; i < len(secret); {
		n := letters(secret[i:])
		switch c := secret[i]; {
		case n > 0:
			bits += lettersBits(secret[i : i+n])
			i += n
			continue
		case i > 0 && c == secret[i-1]:
			bits += repeatBits
		case c >= '0' && c <= '9':
			bits += digitBits
		case strings.IndexByte(" -_.,:/", c) >= 0:
			bits += separatorBits
		default:
			bits += otherBits
		}
		i++
	}
	return bits
}

// period returns the part that a text repeats, or the text.
func period(s string) string {
	for n := 1; n <= len(s)*2/3; n++ {
		if s[n:] == s[:len(s)-n] {
			return s[:n]
		}
	}
	return s
}

// letters returns how many letters a text begins with.
func letters(s string) int {
	n := 0
	for n < len(s) && (s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z') {
		n++
	}
	return n
}

// lettersBits is what a run of letters is worth.
func lettersBits(run string) (bits float64) {
	lower := strings.ToLower(run)
	for _, word := range knownWords {
		if at := strings.Index(lower, word); at >= 0 {
			return lettersBits(run[:at]) + knownBits + lettersBits(run[at+len(word):])
		}
	}
	if reads(lower) && !mixed(run) {
		return min(wordBits*math.Ceil(float64(len(run))/wordLetters), letterBits*float64(len(run)))
	}
	for i := range len(run) {
		if i > 0 && run[i] == run[i-1] {
			bits += repeatBits
		} else {
			bits += letterBits
		}
	}
	return bits
}

// reads reports whether letters could be words: they have vowels enough, and no four
// consonants or vowels in a row.
func reads(run string) bool {
	vowels, row := 0, 0
	for i := range len(run) {
		vowel := isVowel(run[i])
		if vowel {
			vowels++
		}
		if i > 0 && vowel == isVowel(run[i-1]) {
			row++
		} else {
			row = 1
		}
		if row == 4 {
			return false
		}
	}
	share := float64(vowels) / float64(max(len(run), 1))
	return share >= 0.2 && share <= 0.67
}

// mixed reports whether letters are upper and lower case other than as a word begins.
func mixed(run string) bool {
	rest := run[min(len(run), 1):]
	return rest != strings.ToLower(rest) && run != strings.ToUpper(run)
}

func isVowel(c byte) bool { return strings.IndexByte("aeiouy", c) >= 0 }
