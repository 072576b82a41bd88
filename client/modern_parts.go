// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"slices"
	"sync"
)

// part is one of several open requests, of which none asks for what another does.
type part struct {
	filter Filter
	stop   func()
}

// tier is how large a part is, by powers of tierSize.
func (p *part) tier() int {
	n := 0
	for size := len(p.filter.URIs) + len(p.filter.TaskIDs); size >= tierSize; size /= tierSize {
		n++
	}
	return n
}

const (
	// tierSize is how many parts of about one size become one. So
	// many resources that were asked for one by one make few requests, of which
	// servers allow so many, and each is asked for anew two or three times.
	tierSize = 16
	// slack is how much is heard of and dropped, beside what is wanted.
	slack = 64
)

// alter is set for requests that share a session of the server, as on stdio.
// There, the official Go SDK (1.8) takes the end of a request for the end of
// everything another one asked for too, and of all lists. So requests never
// overlap, and few end: what is new is asked for beside the rest, and what is no
// longer wanted is dropped here until it is too much. What may have been missed
// when requests had to be replaced counts as changed.
func (l *listener) alter(ctx context.Context, f Filter) error {
	if !f.wanted() {
		l.end()
		return nil
	}
	have := l.have()
	more := f.beyond(have)
	if more.wanted() {
		if err := l.add(ctx, more); err != nil {
			return err
		}
	}
	l.filter = f.clone()
	unwanted := have.beyond(f)
	lists, _ := unwanted.split()
	var err error
	if lists.wanted() || unwanted.size() > max(slack, f.size()) {
		err = l.replace(l.parts, f)
	} else {
		err = l.merge()
	}
	if err != nil {
		l.filter = l.have() // so that the next change asks for what is missing
	}
	return err
}

// have is all that is asked for.
func (l *listener) have() Filter {
	var f Filter
	for _, p := range l.parts {
		f = f.plus(p.filter)
	}
	return f
}

// add asks for more: for lists by a request of their own, since that one has to be
// made anew whenever any ends.
func (l *listener) add(ctx context.Context, f Filter) error {
	lists, rest := f.split()
	for _, one := range []Filter{lists, rest} {
		if !one.wanted() {
			continue
		}
		stop, err := l.open(ctx, one)
		if err != nil {
			return err
		}
		l.parts = append(l.parts, part{one, stop})
	}
	return nil
}

// merge makes one request of many small ones.
func (l *listener) merge() error {
	tiers := map[int][]part{}
	for _, p := range l.parts {
		if lists, _ := p.filter.split(); lists.wanted() {
			continue
		}
		t := p.tier()
		if tiers[t] = append(tiers[t], p); len(tiers[t]) < tierSize {
			continue
		}
		var all Filter
		for _, p := range tiers[t] {
			all = all.plus(p.filter)
		}
		return l.replace(tiers[t], all.only(l.filter))
	}
	return nil
}

// replace ends requests and opens one for f in their place.
func (l *listener) replace(parts []part, f Filter) error {
	parts = slices.Clone(parts)
	for _, p := range l.parts {
		if lists, _ := p.filter.split(); lists.wanted() && !contains(parts, p) {
			parts = append(parts, p)
			f = f.plus(p.filter)
		}
	}
	stopAll(parts)
	l.parts = slices.DeleteFunc(l.parts, func(p part) bool { return contains(parts, p) })
	if !f.wanted() {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.core.group.ctx, farewell) // the caller's end must not be the others'
	defer cancel()
	if err := l.add(ctx, f); err != nil {
		return err
	}
	f.gap(l.core.inbox)
	return nil
}

// stopAll ends requests at once and waits for all of them.
func stopAll(parts []part) {
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(p.stop)
	}
	wg.Wait()
}

// contains reports whether p is one of the parts, of which no two are equal.
func contains(parts []part, p part) bool {
	return slices.ContainsFunc(parts, func(q part) bool { return q.filter.equal(p.filter) })
}

// heard is what is wanted, for those who hear of changes meanwhile.
type heard struct {
	filter Filter
	uris   map[string]struct{}
}

func (l *listener) want(f Filter) {
	h := &heard{f.clone(), make(map[string]struct{}, len(f.URIs))}
	for _, uri := range f.URIs {
		h.uris[uri] = struct{}{}
	}
	l.heard.Store(h)
}

// wants reports whether a resource is listened to still.
func (l *listener) wants(uri string) bool {
	_, is := l.heard.Load().uris[uri] // there was a filter before there was a request
	return is
}

// filterNow is the filter as it is wanted at this moment.
func (l *listener) filterNow() Filter { return l.heard.Load().filter }
