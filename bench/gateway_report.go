// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// gatewayLimit is the target: a call through Holdfast may cost this many times
// what ReverseProxy takes for the same bytes.
const gatewayLimit = 1.8

// gatewayReport is the machine-readable result.
type gatewayReport struct {
	Machine  machine         `json:"machine"`
	Settings gatewaySettings `json:"settings"`
	Rows     []*proxyFigures `json:"rows"`
	Target   gatewayTarget   `json:"target"`
}

// gatewayTarget tells whether holdfast stays within Limit times ReverseProxy in
// front of an HTTP server of the client's era; nil where one of the two was not
// measured.
type gatewayTarget struct {
	Limit  float64 `json:"limit"`
	Legacy *bool   `json:"legacy"`
	Modern *bool   `json:"modern"`
}

// newGatewayReport puts the figures together and fills in what compares rows.
func newGatewayReport(s gatewaySettings, rows []*proxyFigures) *gatewayReport {
	r := &gatewayReport{Machine: thisMachine(), Settings: s, Rows: rows}
	for _, row := range rows {
		if floor := r.straight(proxyFloor, row.Client); floor != nil && row.measured() {
			ratio := row.Calls.CPU.Median / floor.Calls.CPU.Median
			row.Ratio = &ratio
		}
	}
	r.Target = gatewayTarget{Limit: gatewayLimit, Legacy: r.within(legacy), Modern: r.within(modern)}
	return r
}

func (f *proxyFigures) measured() bool {
	return f.Error == "" && f.Calls != nil && f.Calls.CPU.Median > 0
}

// straight is the measured row of a proxy between a client and an HTTP server of
// one era, or nil.
func (r *gatewayReport) straight(proxy string, e era) *proxyFigures {
	for _, row := range r.Rows {
		if row.Proxy == proxy && row.Client == e && row.Server == e && row.Upstream == "http" && row.measured() {
			return row
		}
	}
	return nil
}

func (r *gatewayReport) within(e era) *bool {
	row := r.straight(proxyHoldfast, e)
	if row == nil || row.Ratio == nil {
		return nil
	}
	met := *row.Ratio <= gatewayLimit
	return &met
}

// met reports whether the target was measured and met in both eras.
func (r *gatewayReport) met() bool {
	return target{Legacy: r.Target.Legacy, Modern: r.Target.Modern}.met()
}

// failed reports whether any row failed.
func (r *gatewayReport) failed() bool {
	for _, row := range r.Rows {
		if row.Error != "" {
			return true
		}
	}
	return false
}

// print writes the table and the target for people.
func (r *gatewayReport) print(w io.Writer) error {
	s := r.Settings
	fmt.Fprintf(w, "%s, %d cores, %s %s; %d rounds of %d calls over %d connections\n\n",
		r.Machine.CPU, r.Machine.Cores, r.Machine.Go, r.Machine.OS, s.Rounds, s.Calls, s.Clients)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "proxy\tclient\tserver\tCPU µs/call\t× ReverseProxy\tcalls/s\tp50/p99 µs\t\n")
	for _, row := range r.Rows {
		cells := []string{strings.TrimSpace(row.Proxy + " " + row.Version), string(row.Client), string(row.Server) + " " + row.Upstream}
		if row.Error != "" {
			cells = append(cells, "FAILED", "", "", "")
		} else {
			figures := row.Calls.cells()
			figures[1] = "–"
			if row.Ratio != nil {
				figures[1] = fmt.Sprintf("%.2f", *row.Ratio)
			}
			cells = append(cells, figures...)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	fmt.Fprint(w, `
CPU: user and system time of the proxy process alone; median of the rounds ± half their spread. The server
behind it is a process of its own, the same for all. × ReverseProxy: against its row for the client's era.
holdfast is /servers/echo/mcp, holdfast-merged is /mcp. mcp-go is a gateway made of its client and server.
`)
	for _, row := range r.Rows {
		if row.Error != "" {
			fmt.Fprintf(w, "%s, %s client, %s %s server FAILED: %s\n", row.Proxy, row.Client, row.Server, row.Upstream, row.Error)
		}
	}
	_, err := fmt.Fprintf(w, "\nholdfast takes at most %.1f × ReverseProxy: legacy %s, modern %s\n",
		gatewayLimit, answer(r.Target.Legacy), answer(r.Target.Modern))
	return err
}

// save writes the report as JSON to file.
func (r *gatewayReport) save(file string) error { return saveJSON(file, r) }
