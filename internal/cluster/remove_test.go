// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// TestRemove replaces a node that never returns by a new one: three nodes again,
// of which any may be lost.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	configs := threeConfigs(t, dir)
	nodes := openAll(t, configs)
	w := write(t, nodes[0], nodes[1])
	refused := func(name, says string) {
		t.Helper()
		eventually(t, 20*time.Second, func() error { // there may be no leader at the moment
			if err := nodes[0].Remove(t.Context(), name); err == nil || !strings.Contains(err.Error(), says) {
				return fmt.Errorf("remove %s: %w; want %q", name, err, says)
			}
			return nil
		})
	}
	refused("n9", "no node")
	refused("n3", "replaces it first")
	crash(nodes[2])
	fourth := configs[0]
	fourth.Name, fourth.Dir, fourth.Listen = "n4", filepath.Join(dir, "n4"), freePorts(t, 1)[0]
	late := openAll(t, []Config{fourth})[0]
	refused("n2", "is up")
	eventually(t, 20*time.Second, func() error { return nodes[0].Remove(t.Context(), "n3") }) // once it is suspected
	eventually(t, 60*time.Second, func() error {
		for _, s := range late.streams() {
			_, here, err := late.placement(t.Context(), s)
			if err != nil || !here || !late.server.streamCurrent(s) {
				return errAbsent
			}
		}
		return nil
	})
	w.finish(t, nodes[0], late)
	crash(nodes[1])
	eventually(t, 20*time.Second, func() error {
		_, err := late.Sessions().Put(t.Context(), session.NewID(), testRecord("a"))
		return err
	})
	refused("n2", "replaces it first")
}
