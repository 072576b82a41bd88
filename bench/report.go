// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// report is the machine-readable result.
type report struct {
	Machine  machine       `json:"machine"`
	Settings settings      `json:"settings"`
	Rows     []*rowFigures `json:"rows"`
	Target   target        `json:"target"`
}

type machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
	OS    string `json:"os"`
}

func thisMachine() machine {
	return machine{CPU: cpuModel(), Cores: runtime.NumCPU(), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH}
}

// target tells whether holdfast uses fewer CPU µs per call than mcp-go; nil
// where one of the two was not measured.
type target struct {
	Legacy *bool `json:"legacy"`
	Modern *bool `json:"modern"`
}

// newReport puts the figures together and fills in what compares rows.
func newReport(s settings, rows []*rowFigures) *report {
	r := &report{
		Machine:  thisMachine(),
		Settings: s,
		Rows:     rows,
	}
	for _, e := range []era{legacy, modern} {
		if bare := r.cpu(rowBare, e); bare > 0 {
			for _, row := range rows {
				if f := row.calls(e); f != nil && row.Error == "" {
					ratio := f.CPU.Median / bare
					f.Ratio = &ratio
				}
			}
		}
	}
	r.Target = target{Legacy: r.compare(legacy), Modern: r.compare(modern)}
	return r
}

func (f *rowFigures) calls(e era) *callFigures {
	if e == legacy {
		return f.Legacy
	}
	return f.Modern
}

// cpu is the median CPU µs per call of a row that was measured whole, else 0.
func (r *report) cpu(name string, e era) float64 {
	for _, row := range r.Rows {
		if f := row.calls(e); row.Name == name && row.Error == "" && f != nil {
			return f.CPU.Median
		}
	}
	return 0
}

func (r *report) compare(e era) *bool {
	ours, theirs := r.cpu(rowHoldfast, e), r.cpu(rowMCPGo, e)
	if ours == 0 || theirs == 0 {
		return nil
	}
	less := ours < theirs
	return &less
}

// met reports whether the target was measured and met in both eras.
func (t target) met() bool {
	return t.Legacy != nil && *t.Legacy && t.Modern != nil && *t.Modern
}

// failed reports whether any row failed.
func (r *report) failed() bool {
	for _, row := range r.Rows {
		if row.Error != "" {
			return true
		}
	}
	return false
}

// print writes the table and the target for people.
func (r *report) print(w io.Writer) error {
	s := r.Settings
	fmt.Fprintf(w, "%s, %d cores, %s %s; %d rounds of %d calls over %d connections, %d sessions, %d streams\n\n",
		r.Machine.CPU, r.Machine.Cores, r.Machine.Go, r.Machine.OS, s.Rounds, s.Calls, s.Clients, s.Sessions, s.Streams)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\tlegacy\t\t\t\tmodern\t\t\t\tbytes per\tbytes per\tbytes per\t\n")
	fmt.Fprint(t, "server\tCPU µs/call\t× bare\tcalls/s\tp50/p99 µs\tCPU µs/call\t× bare\tcalls/s\tp50/p99 µs\tidle session\tlegacy stream\tmodern stream\t\n")
	for _, row := range r.Rows {
		cells := []string{strings.TrimSpace(row.Name + " " + row.Version)}
		if row.Error != "" {
			cells = append(cells, "FAILED")
			cells = append(cells, make([]string, 10)...)
		} else {
			cells = append(cells, row.Legacy.cells()...)
			cells = append(cells, row.Modern.cells()...)
			cells = append(cells, row.IdleSession.cell(), row.LegacyStream.cell(), row.ModernStream.cell())
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	r.printNotes(w)
	_, err := fmt.Fprintf(w, "\nholdfast uses fewer CPU µs per call than mcp-go: legacy %s, modern %s\n",
		answer(r.Target.Legacy), answer(r.Target.Modern))
	return err
}

func (r *report) printNotes(w io.Writer) {
	fmt.Fprint(w, `
CPU: user and system time of the server process alone; median of the rounds ± half their spread.
go-sdk answers calls as event streams, its default; go-sdk-json has JSONResponse set. net/http is the
bare handler: no sessions, no checks. Latency is under full load from the same machine. Bytes: growth
of the resident size; a legacy stream includes its session, and a ~ marks a size that did not settle.
go-sdk rows make half the calls per round: each takes longer, so fewer tell as much.
`)
	for _, row := range r.Rows {
		for _, note := range row.Notes {
			fmt.Fprintf(w, "%s: %s\n", row.Name, note)
		}
		if row.Error != "" {
			fmt.Fprintf(w, "%s FAILED: %s\n", row.Name, row.Error)
		}
	}
}

func (f *callFigures) cells() []string {
	if f == nil || len(f.CPU.Rounds) == 0 {
		return []string{"–", "–", "–", "–"}
	}
	ratio := "–"
	if f.Ratio != nil {
		ratio = fmt.Sprintf("%.1f", *f.Ratio)
	}
	return []string{
		fmt.Sprintf("%.1f ±%.0f%%", f.CPU.Median, f.CPU.spread()),
		ratio,
		fmt.Sprintf("%.0f", f.PerSecond.Median),
		fmt.Sprintf("%.0f/%.0f", f.P50.Median, f.P99.Median),
	}
}

func (f *memoryFigures) cell() string {
	switch {
	case f == nil:
		return "–"
	case !f.Settled:
		return fmt.Sprintf("~%.0f", f.Each)
	default:
		return fmt.Sprintf("%.0f", f.Each)
	}
}

func answer(met *bool) string {
	switch {
	case met == nil:
		return "not measured"
	case *met:
		return "yes"
	default:
		return "no"
	}
}

// met reports whether the report's target was measured and met in both eras.
func (r *report) met() bool { return r.Target.met() }

// save writes the report as JSON to file.
func (r *report) save(file string) error { return saveJSON(file, r) }

func saveJSON(file string, report any) error {
	text, err := json.Marshal(report, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("save report: %w", err)
	}
	return nil
}

// cpuModel returns the processor's name from proc(5) cpuinfo, where it is.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
