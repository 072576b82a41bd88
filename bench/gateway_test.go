// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-mcp/holdfast/internal/config"
)

func TestProxyRows(t *testing.T) {
	rows := allProxyRows()
	for _, r := range rows {
		if r.name == proxyFloor && (r.stdio || r.client != r.server) {
			t.Errorf("ReverseProxy cannot serve %+v", r)
		}
		args, err := r.arguments(site{addr: "127.0.0.1:1", folder: t.TempDir(), url: "http://127.0.0.1:2", command: []string{"echo"}})
		if err != nil || !slices.Contains(args, "127.0.0.1:1") {
			t.Errorf("%s is started with %q, %v", r.name, args, err)
		}
	}
	some, err := chooseProxyRows(proxyHoldfast + "," + proxyFloor)
	if err != nil || len(some) != 8 {
		t.Errorf("%d rows of two proxies, %v; want 8", len(some), err)
	}
	if _, err := chooseProxyRows("nginx"); err == nil || !strings.Contains(err.Error(), proxyMerged) {
		t.Errorf("unknown row: %v, want the known ones", err)
	}
}

// TestServeArguments reads what is written for holdfast the way holdfast does.
func TestServeArguments(t *testing.T) {
	for _, s := range []site{
		{folder: t.TempDir(), url: "http://127.0.0.1:2"},
		{folder: t.TempDir(), command: []string{"/bin/upstream", "-stdio"}},
	} {
		if _, err := serveArguments(s); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(filepath.Join(s.folder, "holdfast.json"), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		got := cfg.Servers[0]
		if s.url != "" && got.URL != s.url+"/mcp" || s.url == "" && (got.Command != s.command[0] || !cmp.Equal(got.Args, s.command[1:])) {
			t.Errorf("site %+v is configured as %+v", s, got)
		}
	}
}

func TestGatewayReport(t *testing.T) {
	row := func(proxy string, e era, cpu float64) *proxyFigures {
		return &proxyFigures{Proxy: proxy, Client: e, Server: e, Upstream: "http", Calls: &callFigures{CPU: summarise([]float64{cpu})}}
	}
	sick := row(proxyMCPGo, legacy, 1)
	sick.Error = "no answer"
	r := newGatewayReport(gatewaySettings{Calls: 1, Clients: 1, Rounds: 1}, []*proxyFigures{
		row(proxyFloor, legacy, 50), row(proxyFloor, modern, 50),
		row(proxyHoldfast, legacy, 90), row(proxyHoldfast, modern, 91), sick,
	})
	if got := *r.Rows[3].Ratio; got != 91.0/50 {
		t.Errorf("ratio %v, want 1.82", got)
	}
	if !*r.Target.Legacy || *r.Target.Modern || r.met() || !r.failed() || sick.Ratio != nil {
		t.Errorf("target %v %v, met %v, failed %v; want true, false, false, true", *r.Target.Legacy, *r.Target.Modern, r.met(), r.failed())
	}
	var text strings.Builder
	if err := conclude(r, options{check: true}, &text); !errors.Is(err, errRow) {
		t.Errorf("a run with a failed row ends with %v", err)
	}
	for _, want := range []string{"1.80", "1.82", "FAILED: no answer", "legacy yes, modern no"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, &text)
		}
	}
	if r := newGatewayReport(gatewaySettings{}, nil); r.Target.Legacy != nil || r.met() {
		t.Error("a target that was not measured is not met")
	}
}
