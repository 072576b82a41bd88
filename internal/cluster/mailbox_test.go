// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMailbox holds that what is left at any node is found at every other.
func TestMailbox(t *testing.T) {
	nodes := three(t)
	if got, err := nodes[0].Collect(t.Context(), "empty"); err != nil || len(got) != 0 {
		t.Errorf("an empty mailbox has %d messages, %v", len(got), err)
	}
	for _, message := range []string{"one", "two", ""} {
		if err := nodes[1].Keep(t.Context(), "box", []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes[2].Keep(t.Context(), "other", []byte("three")); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		var got []string
		for deadline := time.Now().Add(5 * time.Second); len(got) < 3 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			messages, err := n.Collect(t.Context(), "box") // a replica may be a little behind
			if err != nil {
				t.Fatal(err)
			}
			got = got[:0]
			for _, m := range messages {
				got = append(got, string(m))
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"", "one", "two"}, got); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", n.Name(), diff)
		}
	}
	for _, name := range []string{"", "a.b", "a b", "*"} {
		if err := nodes[0].Keep(t.Context(), name, nil); err == nil {
			t.Errorf("a mailbox of the name %q takes messages", name)
		}
		if _, err := nodes[0].Collect(t.Context(), name); err == nil {
			t.Errorf("a mailbox of the name %q can be read", name)
		}
	}
}
