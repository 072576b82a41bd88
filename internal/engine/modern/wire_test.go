// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/holdfast-mcp/holdfast/internal/subscription"
)

var update = flag.Bool("update", false, "write the answers of this run into the wire tests")

// TestWire runs the scripts of testdata/wire. A script is a sequence of
//
//	-- request --   a verb, headers, an empty line and a body; $META stands for usual metadata
//	-- response --  what came back by the time everything was quiet
//	-- do --        one word: publish KIND [KEY], sleep DURATION, drain, cut NODE, start NODE
//	-- events --    what came on streams since
//
// A script that begins with a section "nodes" runs on nodes a, b and c; the verb
// is then followed by the node that the request reaches.
//
// Sealed states and task ids become $STATE1, $TASK1, … and can be sent so.
func TestWire(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/2026-07-28/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no wire tests", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			synctest.Test(t, func(t *testing.T) { got = runScript(t, data) })
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(data), string(got)); diff != "" {
				t.Errorf("answers differ (-want +got); -update accepts them:\n%s", diff)
			}
		})
	}
}

type script struct {
	*rig
	t     *testing.T
	names map[string]string // value → $NAME
	count map[string]int
	open  []*exchange
	trio  *trio // nil with one node
}

func runScript(t *testing.T, data []byte) []byte {
	s := &script{t: t, names: map[string]string{}, count: map[string]int{}}
	in := txtar.Parse(data)
	if len(in.Files) > 0 && in.Files[0].Name == "nodes" {
		s.trio = newTrio()
		s.rig = s.trio.nodes["a"]
		defer s.trio.close()
	} else {
		s.rig = newRig()
		defer s.close()
	}
	defer func() {
		for _, x := range s.open {
			x.end()
		}
		synctest.Wait()
	}()
	out := &txtar.Archive{Comment: in.Comment}
	for _, f := range in.Files {
		switch f.Name {
		case "request":
			response := s.request(string(f.Data))
			out.Files = append(out.Files, f, txtar.File{Name: "response", Data: []byte(response)})
		case "do":
			s.do(strings.Fields(string(f.Data)))
			out.Files = append(out.Files, f, txtar.File{Name: "events", Data: []byte(s.events())})
		case "nodes":
			out.Files = append(out.Files, f)
		case "response", "events":
		default:
			t.Fatalf("unknown section %q", f.Name)
		}
	}
	return txtar.Format(out)
}

const usualMeta = `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},` +
	`"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}}`

func (s *script) request(text string) string {
	text = strings.ReplaceAll(text, "$META", usualMeta)
	for value, name := range s.names {
		text = strings.ReplaceAll(text, name, value)
	}
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	x := newExchange(strings.TrimSpace(body))
	verb, node, _ := strings.Cut(lines[0], " ")
	x.verb = verb
	at := s.rig
	if node != "" {
		at = s.trio.nodes[node]
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		x.header.Add(name, value)
	}
	s.open = append(s.open, x)
	go at.engine.ServeExchange(x)
	synctest.Wait()
	time.Sleep(mergeWindow + 3*time.Millisecond)
	synctest.Wait()
	status, reply := x.got()
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n%s\n%s\n", status, x.headers(), s.abstract(reply))
	return b.String()
}

var variable = regexp.MustCompile(`"(requestState|taskId)":"([^"]+)"|reference ([A-Z0-9]{10})`)

// abstract replaces what differs from run to run.
func (s *script) abstract(text string) string {
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		value, kind := m[2]+m[3], map[string]string{"requestState": "$STATE", "taskId": "$TASK", "": "$REF"}[m[1]]
		if _, known := s.names[value]; !known {
			s.count[kind]++
			s.names[value] = kind + strconv.Itoa(s.count[kind])
		}
	}
	for value, name := range s.names {
		text = strings.ReplaceAll(text, value, name)
	}
	return text
}

var kinds = map[string]subscription.Kind{
	"tools": subscription.Tools, "prompts": subscription.Prompts, "resources": subscription.Resources, "resource": subscription.Resource,
}

func (s *script) do(words []string) {
	switch words[0] {
	case "publish":
		s.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: kinds[words[1]], Key: strings.Join(words[2:], "")}})
	case "sleep":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(d)
	case "cut":
		s.trio.net.Cut(words[1])
	case "start":
		s.trio.start(words[1])
	case "drain":
		if err := s.Drain(context.Background()); err != nil {
			s.t.Fatal(err)
		}
	default:
		s.t.Fatalf("unknown action %q", words[0])
	}
	synctest.Wait()
}

func (s *script) events() string {
	var b strings.Builder
	for i, x := range s.open {
		for _, e := range x.events() {
			fmt.Fprintf(&b, "%d %s\n", i+1, s.abstract(e))
		}
	}
	return b.String()
}
