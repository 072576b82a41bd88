// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
)

func TestLinkNotes(t *testing.T) {
	now := time.Now()
	apart := cluster.Member{Name: "n3", Address: "10.0.0.3:7900", State: cluster.Serving, Since: now.Add(-time.Hour), Heard: now.Add(-2 * time.Second), Suspected: true, HeardBy: []string{"n2"}}
	for _, c := range []struct {
		name   string
		change func(*cluster.Member)
		want   []string
	}{
		{"not heard any more, though by another", func(*cluster.Member) {}, []string{"n3 cannot be reached from here, though n2 hears it: look after the link to 10.0.0.3:7900"}},
		{"by two others", func(m *cluster.Member) { m.HeardBy = []string{"n2", "n4"} }, []string{"n3 cannot be reached from here, though n2 and n4 hear it: look after the link to 10.0.0.3:7900"}},
		{"by way of another", func(m *cluster.Member) { m.Suspected, m.HeardBy, m.Via = false, nil, "n2" }, []string{"the link to n3, at 10.0.0.3:7900, is broken; it is reached by way of n2"}},
		{"lost", func(m *cluster.Member) { m.HeardBy = nil }, nil},
		{"only now heard of", func(m *cluster.Member) { m.Heard, m.Since = time.Time{}, now.Add(-time.Second) }, nil},
		{"never reached", func(m *cluster.Member) { m.Heard = time.Time{} }, []string{"n3 cannot be reached from here, though n2 hears it: look after the link to 10.0.0.3:7900"}},
		{"whole", func(m *cluster.Member) { m.Suspected, m.HeardBy = false, nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := apart
			c.change(&m)
			if diff := cmp.Diff(c.want, linkNotes([]cluster.Member{{Name: "n1", Self: true, State: cluster.Serving, Heard: now}, m}, now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
