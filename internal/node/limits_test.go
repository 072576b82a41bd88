// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/config"
)

func TestDescriptors(t *testing.T) {
	stdio := func(max, spare int) config.Server {
		return config.Server{Transport: config.Stdio, Pool: config.Pool{Max: max, Spare: spare}}
	}
	for _, tc := range []struct {
		name    string
		servers []config.Server
		cluster string
		want    int
	}{
		{"alone", nil, "", ownDescriptors},
		{"with others", nil, "10.0.0.1:7422", ownDescriptors + clusterDescriptors},
		{"children", []config.Server{stdio(1, 0), stdio(50, 2)}, "", ownDescriptors + 53*childDescriptors},
		{"children up to the limit of all", []config.Server{stdio(1000, 0), stdio(1000, 0)}, "", ownDescriptors + 256*childDescriptors},
		{"connections to servers", []config.Server{
			{Transport: config.HTTP, HTTP: config.HTTPLimits{MaxConns: 128}}, {Transport: config.WebSocket, Pool: config.Pool{Max: 10}},
		}, "", ownDescriptors + 138},
		{"disabled", []config.Server{{Transport: config.HTTP, Disabled: true, HTTP: config.HTTPLimits{MaxConns: 128}}}, "", ownDescriptors},
	} {
		cfg := Config{File: config.Default()}
		cfg.File.Servers, cfg.Cluster.Listen = tc.servers, tc.cluster
		if got := New(cfg).descriptors(); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}
