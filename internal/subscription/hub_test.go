// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package subscription

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func drain(s *Subscriber) []Topic {
	var got []Topic
	for {
		e, ok := s.Take()
		if !ok {
			return got
		}
		got = append(got, e.Topic)
	}
}

func TestPublishReachesListenersOnly(t *testing.T) {
	var h Hub
	tools, file := Topic{Kind: Tools}, Topic{Resource, "file:///a"}
	a, b := h.Subscribe(tools), h.Subscribe(tools, file)
	h.Publish(Event{Topic: tools})
	h.Publish(Event{Topic: file})
	h.Publish(Event{Topic: Topic{Kind: Prompts}})
	if diff := cmp.Diff([]Topic{tools}, drain(a)); diff != "" {
		t.Errorf("a (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Topic{tools, file}, drain(b)); diff != "" {
		t.Errorf("b (-want +got):\n%s", diff)
	}
}

// TestEventsReachTheirAudience: what concerns one session, principal or tenant is
// told to nobody else.
func TestEventsReachTheirAudience(t *testing.T) {
	var h Hub
	file := Topic{Resource, "file:///a"}
	who := map[string]Audience{
		"ada's session": {Session: "s1", Principal: "ada", Tenant: "t"}, "her other one": {Session: "s2", Principal: "ada", Tenant: "t"},
		"bob": {Principal: "bob", Tenant: "t"}, "cyd": {Principal: "cyd", Tenant: "u"},
	}
	for audience, want := range map[Audience]int{
		{}: 4, {Session: "s1"}: 1, {Principal: "ada"}: 2, {Principal: "ada", Tenant: "u"}: 0, {Tenant: "t"}: 3, {Session: "s3"}: 0,
	} {
		told := 0
		var all []*Subscriber
		for _, a := range who {
			all = append(all, h.SubscribeAs(a, file))
		}
		h.Publish(Event{Topic: file, For: audience})
		for _, s := range all {
			told += len(drain(s))
			s.Close()
		}
		if told != want {
			t.Errorf("%+v: %d were told, want %d", audience, told, want)
		}
	}
}

func TestBurstBecomesOne(t *testing.T) {
	var h Hub
	s := h.Subscribe(Topic{Kind: Tools})
	for i := range 1000 {
		h.Publish(Event{Topic: Topic{Kind: Tools}, Params: fmt.Append(nil, i)})
	}
	e, ok := s.Take()
	if !ok || string(e.Params) != "999" {
		t.Fatalf("Take = %s, %v; want the latest", e.Params, ok)
	}
	if _, again := s.Take(); again {
		t.Error("a burst left more than one event")
	}
}

func TestRemoveDropsPending(t *testing.T) {
	var h Hub
	uri := Topic{Resource, "file:///a"}
	s := h.Subscribe(uri)
	h.Publish(Event{Topic: uri})
	s.Remove(uri)
	if got := drain(s); got != nil {
		t.Errorf("after Remove: %v", got)
	}
}

func TestWatcherSeesFirstAndLast(t *testing.T) {
	var h Hub
	var seen []string
	h.Watch(func(topic Topic, active bool) { seen = append(seen, fmt.Sprint(topic.Key, active)) })
	uri := Topic{Resource, "u"}
	a, b := h.Subscribe(uri), h.Subscribe(uri)
	a.Close()
	b.Close()
	b.Close()
	if diff := cmp.Diff([]string{"utrue", "ufalse"}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConcurrentUse(t *testing.T) {
	var h Hub
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				s := h.Subscribe(Topic{Kind: Tools}, Topic{Resource, fmt.Sprint(i)})
				h.Publish(Event{Topic: Topic{Kind: Tools}})
				drain(s)
				s.Close()
			}
		})
	}
	wg.Wait()
	if len(h.topics) != 0 {
		t.Errorf("%d topics are left", len(h.topics))
	}
}

// TestWatcherIsToldInOrder: the last listener leaves while another one comes.
func TestWatcherIsToldInOrder(t *testing.T) {
	var told []bool // written by the watcher only, one call at a time
	leaving, hold := make(chan struct{}), make(chan struct{})
	var h Hub
	h.Watch(func(_ Topic, active bool) {
		if !active {
			close(leaving)
			<-hold
		}
		told = append(told, active)
	})
	topic := Topic{Kind: Resource, Key: "a:1"}
	first := h.Subscribe(topic)
	var wg sync.WaitGroup
	wg.Go(first.Close)
	<-leaving
	wg.Go(func() { h.Subscribe(topic) })
	close(hold)
	wg.Wait()
	if !told[len(told)-1] {
		t.Errorf("somebody listens, and the watcher was told %v", told)
	}
}
