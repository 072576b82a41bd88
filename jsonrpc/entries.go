// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"slices"
)

// List is the result of a response, taken apart: Rest has the bytes of the result,
// but for the array that holds its entries, which is empty there.
type List struct {
	Rest    Raw
	Entries []Raw // not to be modified
}

// Entries takes apart responses whose results are lists, such as a server's tools, and
// remembers the entries. Of a list that says most of what it said before, what is the
// same costs a comparison and nothing else: it is not read again, and the entry that is
// returned is the one remembered. It is for one goroutine at a time.
type Entries struct {
	members []string
	limits  Limits
	lists   []entryList // by members
}

// maxEntryBytes bounds what is remembered of one list, in bytes. While the next one
// arrives by pages there may be twice as much.
const maxEntryBytes = 16 << 20

// entryList is one list.
type entryList struct {
	last *Recall[Raw] // the whole list as it came last
	next []Raw        // what has come of the one after it
	size int          // bytes of next
	page int          // entries of the last page
}

func textOfEntry(entry Raw) []byte { return entry }

// NewEntries returns an Entries for results that have one of these members, arrays of
// objects. Messages have to keep to limits, which are not of members.
func NewEntries(limits Limits, members ...string) *Entries {
	return &Entries{members: members, limits: limits, lists: make([]entryList, len(members))}
}

// Decode is [Decode] for responses that are lists. It reports false when data is no
// such response, or anything is wrong with it. The Message has the whole result, which
// aliases data, and its List, whose entries do not.
func (e *Entries) Decode(data []byte) (Message, bool) {
	if e.limits.Bytes > 0 && len(data) > e.limits.Bytes || e.limits.Keys > 0 {
		return Message{}, false
	}
	w := entryWalk{e: e, data: data}
	if !w.message() || w.list == nil {
		return Message{}, false
	}
	rest := slices.Concat(data[:w.from], data[w.to:])
	if e.limits.check(rest) != nil || !Raw(rest).IsValid() {
		return Message{}, false
	}
	m, err := decode(rest)
	if err != nil || m.Result == nil {
		return Message{}, false
	}
	m.List = &List{Rest: m.Result, Entries: w.entries}
	m.Result = data[w.result[0]:w.result[1]:w.result[1]]
	cursor, more := Get(m.List.Rest, "nextCursor")
	w.list.keep(w.entries, more && cursor.Kind() == '"' && len(cursor) > 2)
	return m, true
}

// entryWalk is one message on its way through Decode. It looks at structure only: that
// what is left without the entries is valid JSON is checked afterwards, so a place that
// counts as outside strings here is outside.
type entryWalk struct {
	e        *Entries
	data     []byte
	result   [2]int // where the result begins and ends
	from, to int    // of what stands between the brackets of the array
	list     *entryList
	entries  []Raw
}

func (w *entryWalk) message() bool {
	s := scan(w.data, '{')
	for s.begin() {
		if s.named("result") {
			if w.list != nil || w.data[s.start] != '{' {
				return false
			}
			end, ok := w.members(s.start)
			if !ok {
				return false
			}
			w.result = [2]int{s.start, end}
			s.end, s.pos = end, end
			continue
		}
		s.finish()
	}
	return true
}

// members walks the result that begins at i, and returns its end.
func (w *entryWalk) members(i int) (end int, ok bool) {
	s := scanner{data: w.data, pos: i + 1, object: true}
	for s.begin() {
		n := slices.IndexFunc(w.e.members, s.named)
		if n < 0 || w.list != nil || w.data[s.start] != '[' {
			s.finish()
			continue
		}
		w.list, w.from = &w.e.lists[n], s.start+1
		if !w.array() {
			return 0, false
		}
		s.end, s.pos = w.to+1, w.to+1
	}
	i = skipSpace(w.data, s.pos)
	return i + 1, i < len(w.data) && w.data[i] == '}'
}

// array takes the entries of the array, up to its closing bracket.
func (w *entryWalk) array() bool {
	w.entries = make([]Raw, 0, w.list.page)
	if w.list.last == nil {
		w.list.last = NewRecall(nil, textOfEntry)
	}
	w.list.last.again()
	for i := w.from; ; i++ {
		if i = skipSpace(w.data, i); i == len(w.data) || w.data[i] != '{' {
			return false
		}
		rest := w.data[i:]
		entry, known := w.list.last.Expect(func(text []byte) bool { return bytes.HasPrefix(rest, text) })
		if !known {
			if entry = w.read(i); entry == nil {
				return false
			}
		}
		w.entries = append(w.entries, entry)
		if i = skipSpace(w.data, i+len(entry)); i == len(w.data) || w.data[i] != ',' {
			w.to = i
			return i < len(w.data) && w.data[i] == ']'
		}
	}
}

// listDepth is how deep an entry is in its message.
const listDepth = 3

// read returns a copy of the entry at i that was not there before, nil when it is not
// valid. Where the list before has it elsewhere it returns that.
func (w *entryWalk) read(i int) Raw {
	text := Raw(w.data[i:endOfNested(w.data, i)])
	if known, ok := w.list.last.LookUp(text); ok {
		return known
	}
	limits := w.e.limits
	if limits.Depth > 0 {
		limits.Depth -= listDepth
	}
	if limits.check(text) != nil || !text.IsValid() {
		return nil
	}
	return slices.Clone(text)
}

// keep remembers the entries of a page, the last one unless there are more.
func (l *entryList) keep(page []Raw, more bool) {
	for _, entry := range page {
		l.size += len(entry)
	}
	l.page = len(page)
	if l.size > maxEntryBytes {
		*l = entryList{}
		return
	}
	if l.next = append(l.next, page...); !more {
		l.last, l.next, l.size = NewRecall(l.next, textOfEntry), nil, 0
	}
}
