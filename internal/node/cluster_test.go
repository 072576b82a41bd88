// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/config"
)

// TestDefaultCompression holds that a configuration without a word about compression
// means package cluster's default, and that what users read says so.
func TestDefaultCompression(t *testing.T) {
	word := map[cluster.Compression]config.Compression{}
	for config, cluster := range compressions {
		word[cluster] = config
	}
	c := Cluster{Cluster: config.Default().Cluster, Secret: "x"}
	c.Name, c.Listen = "a", "127.0.0.1:1"
	cfg, err := c.config(slog.New(slog.DiscardHandler))
	if got := cmp.Or(cfg.Compression, cluster.DefaultCompression); err != nil || got != cluster.DefaultCompression {
		t.Errorf("without a word the configuration means %q, %v; the cluster's default is %q", got, err, cluster.DefaultCompression)
	}
	if line := "#   compression: " + string(word[cluster.DefaultCompression]) + " "; !strings.Contains(string(config.Template()), line) {
		t.Errorf("the commented configuration does not say %q", line)
	}
	for config, want := range compressions {
		c.Compression = config
		if cfg, err := c.config(slog.New(slog.DiscardHandler)); err != nil || cfg.Compression != want {
			t.Errorf("%s: %q, %v", config, cfg.Compression, err)
		}
	}
}
