// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package share divides what is bounded, such as calls in flight at a server, among
// those who want it, so that one greedy caller cannot use it up.
//
// As long as a bound is not nearly reached anybody may take what is free. The last
// part is kept for callers who hold little: a caller is refused it when it holds as
// much as would be its part if all who are there, and one who may come, had equal
// parts. So one caller alone may use most of a bound but never all of it, unless
// the bound is very small. Who has to wait is served in turn, caller by caller.
//
// Callers are grouped by principal and network address, and parted inside a group by
// session. A greedy session leaves room to other sessions of its address, and an
// address with however many sessions to other addresses.
//
// The package starts no goroutine and locks nothing: its types belong to what they
// bound, whose lock guards them.
package share

import "maps"

// Group is who calls as far as that is known for sure. Behind a proxy all callers
// have one address.
type Group struct {
	Tenant, Principal string
	Address           string // network address without the port; empty if there is none
}

// Member is one of a group, as it describes itself: a session, or the name of a
// client that has no sessions.
type Member struct {
	Session, Client string
}

// Caller is who wants a share.
type Caller struct {
	Group
	Member
}

// reserve is the part of a bound, one of so many, that is kept for callers who hold
// little. A bound below it has none.
const reserve = 8

// Shares counts who holds how much of a bound.
type Shares struct {
	total, each int
	used        int
	groups      map[Group]*group
	active      int // groups that hold something
}

// group is what one group holds. Who holds nothing any more stays for a while, as
// callers come again.
type group struct {
	used    int
	members map[Member]int
	active  int // members that hold something
}

// spare is how many who hold nothing are kept beside those who hold something.
const spare = 16

// New returns the shares of a bound of total, of which one group may hold at most
// each, 0 for what the reserve for other groups leaves. With each equal to total
// nothing is kept for other groups, only for other members.
func New(total, each int) *Shares {
	if each <= 0 {
		each = total - total/reserve
	}
	return &Shares{total: total, each: min(each, total), groups: map[Group]*group{}}
}

// Fits reports whether a caller may take one more.
func (s *Shares) Fits(c Caller) bool {
	free := s.total - s.used
	if free <= 0 {
		return false
	}
	g := s.groups[c.Group]
	if g == nil {
		return true
	}
	if free <= s.total/reserve && s.each < s.total && g.used >= part(s.total, s.active) {
		return false
	}
	left := s.each - g.used
	return left > 0 && (left > s.each/reserve || g.members[c.Member] < part(s.each, g.active))
}

// part is an equal part of a bound if one more came to the n who are there.
func part(bound, n int) int { return max(bound/(n+1), 1) }

// Take counts one more for a caller, whether or not it fits.
func (s *Shares) Take(c Caller) {
	g := s.groups[c.Group]
	if g == nil {
		g = &group{members: map[Member]int{}}
		s.groups[c.Group] = g
	}
	s.used++
	if g.used++; g.used == 1 {
		s.active++
	}
	held := g.members[c.Member]
	if g.members[c.Member] = held + 1; held == 0 {
		g.active++
	}
}

// Give counts one less for a caller, who holds one.
func (s *Shares) Give(c Caller) {
	g := s.groups[c.Group]
	s.used--
	held := g.members[c.Member] - 1
	if g.members[c.Member] = held; held == 0 {
		g.active--
	}
	if len(g.members) > 2*g.active+spare {
		maps.DeleteFunc(g.members, func(_ Member, held int) bool { return held == 0 })
	}
	if g.used--; g.used == 0 {
		s.active--
	}
	if len(s.groups) > 2*s.active+spare {
		maps.DeleteFunc(s.groups, func(_ Group, g *group) bool { return g.used == 0 })
	}
}

// Used returns how much is held in all.
func (s *Shares) Used() int { return s.used }

// Full reports whether nothing is free, so that it is not a caller's share that is used up.
func (s *Shares) Full() bool { return s.used >= s.total }

// Held returns how much a caller holds, and its group.
func (s *Shares) Held(c Caller) (member, inGroup int) {
	g := s.groups[c.Group]
	if g == nil {
		return 0, 0
	}
	return g.members[c.Member], g.used
}
