// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStartErrors(t *testing.T) {
	k := newTestKeeper(t)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "text", 0o644)
	noInterpreter := write("nointerp", "#!/no/such/interpreter\n", 0o755)
	noFormat := write("noformat", "echo hello\n", 0o755)
	for name, tc := range map[string]struct {
		spec  Spec
		is    error
		words []string
	}{
		"empty": {Spec{}, nil, []string{"no command given"}},
		"command-line": {Spec{Command: "sh -c true", Env: []string{"PATH=/usr/bin:/bin"}}, exec.ErrNotFound, []string{
			`arguments belong in args: command "sh", args ["-c" "true"]`}},
		"not-in-path": {Spec{Command: "no-such-cmd", Env: []string{"PATH=/usr/bin:/bin"}}, exec.ErrNotFound, []string{`"no-such-cmd"`, "not found", "/usr/bin:/bin"}},
		"relative-path-entry": {
			Spec{Command: "noformat", Dir: dir, Env: []string{"PATH=.:"}}, exec.ErrNotFound, []string{`"noformat"`},
		},
		"no-file":        {Spec{Command: "./nothing", Dir: dir}, fs.ErrNotExist, []string{dir + "/nothing"}},
		"directory":      {Spec{Command: dir}, syscall.EISDIR, []string{dir, "is a directory"}},
		"not-executable": {Spec{Command: plain}, fs.ErrPermission, []string{plain, "not executable"}},
		"in-path-not-executable": {
			Spec{Command: "plain", Env: []string{"PATH=" + dir}}, fs.ErrPermission, []string{plain, "not executable"},
		},
		"no-interpreter": {Spec{Command: noInterpreter}, fs.ErrNotExist, []string{noInterpreter, "interpreter"}},
		"no-format":      {Spec{Command: noFormat}, syscall.ENOEXEC, []string{noFormat, "#!"}},
		"bad-dir":        {Spec{Command: "/bin/true", Dir: dir + "/gone"}, fs.ErrNotExist, []string{"working directory", dir + "/gone"}},
		"dir-is-file":    {Spec{Command: "/bin/true", Dir: plain}, syscall.ENOTDIR, []string{"working directory", plain}},
		"nul":            {Spec{Command: "/bin/true", Args: []string{"a\x00b"}}, nil, []string{"/bin/true", "NUL"}},
		"too-large":      {Spec{Command: "/bin/true", Args: []string{strings.Repeat("x", 1<<20)}}, syscall.E2BIG, []string{"/bin/true", "too large"}},
		"far-too-large":  {Spec{Command: "/bin/true", Args: []string{strings.Repeat("x", 9<<20)}}, syscall.E2BIG, []string{"/bin/true", "too large"}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.spec.Name = "my-server"
			_, err := k.Start(t.Context(), tc.spec)
			if err == nil {
				t.Fatal("it started")
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v is not %v", err, tc.is)
			}
			for _, w := range append(tc.words, `"my-server"`) {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestEnvironmentAndDirectory(t *testing.T) {
	k := newTestKeeper(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "print")
	if err := os.WriteFile(script, []byte("#!/bin/sh\npwd; echo \"$A $1\"; env | grep -vE '^(PWD|A|SHLVL|_|HOLDFAST_KEEPER)='; exit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := start(t, k, Spec{Name: "s", Command: "./print", Args: []string{"$HOME"}, Dir: dir, Env: []string{"A=1", "junk", "A=\xff2"}})
	got, err := io.ReadAll(p.Stdout())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dir+"\n\xff2 $HOME\n", string(got)); diff != "" {
		t.Error(diff)
	}
	await(t, p)
}

// counter counts lines and bytes.
type counter struct{ lines, bytes atomic.Int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.lines.Add(1)
	c.bytes.Add(int64(len(b)))
	return len(b), nil
}

func TestFloodOfStderr(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	k := newTestKeeper(t)
	var got counter
	spec := self(newTag(t), "flood") // 50 MB
	spec.Stderr = &got
	p := start(t, k, spec)
	expect(t, p, "flooded\n")
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := got.lines.Load(); n == 0 || n > 30*shareLines {
		t.Errorf("%d lines forwarded", n)
	}
	if n := got.bytes.Load(); n > 30*shareBytes {
		t.Errorf("%d bytes forwarded", n)
	}
	var size int
	for _, line := range p.StderrTail() {
		size += len(line)
	}
	if n := len(p.StderrTail()); n != tailLines || size > tailBytes {
		t.Errorf("tail: %d lines, %d bytes", n, size)
	}
}

// A receiver that does not return delays neither the server nor its end.
func TestStuckReceiverOfStderr(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	k := newTestKeeper(t)
	release := make(chan struct{})
	defer close(release)
	spec := self(newTag(t), "flood")
	spec.Stderr = writerFunc(func(b []byte) (int, error) { <-release; return len(b), nil })
	p := start(t, k, spec)
	expect(t, p, "flooded\n")
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestSplitter(t *testing.T) {
	var got []string
	s := splitter{emit: func(b []byte) { got = append(got, string(b)) }}
	long := strings.Repeat("y", 3*maxLine)
	for _, part := range []string{"a\nb", "c\r\n\n", long[:maxLine], long[maxLine:] + "\nd", "e"} {
		if n, err := s.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	s.flush()
	if diff := cmp.Diff([]string{"a", "bc", "", long[:maxLine] + ellipsis, "de"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestForwardRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		s := &stderrPump{share: &logShare{}, queue: make(chan outLine, forwardQueue), write: func(line outLine) { got = append(got, line.text) }}
		done := make(chan struct{})
		go func() { s.forward(); close(done) }()
		for range 3 * shareLines {
			s.line([]byte("x"))
			synctest.Wait()
		}
		if len(got) != shareLines {
			t.Errorf("%d lines in the first second", len(got))
		}
		time.Sleep(time.Second) // of the bubble
		s.line([]byte("y"))
		s.close()
		<-done
		if diff := cmp.Diff([]string{ellipsis + " 400 lines dropped, 400 bytes", "y"}, got[shareLines:]); diff != "" {
			t.Error(diff)
		}
	})
}

// TestLogOfBothOutputs: lines of standard output have the share and the tail of standard error, and may come after its end.
func TestLogOfBothOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []outLine
		p := &Process{stderr: &stderrPump{share: &logShare{}, queue: make(chan outLine, forwardQueue), write: func(line outLine) { got = append(got, line) }}}
		done := make(chan struct{})
		go func() { p.stderr.forward(); close(done) }()
		p.stderr.line([]byte("on stderr"))
		p.Log([]byte("\x1b[32mon stdout"))
		synctest.Wait()
		for range 100 {
			p.Log([]byte(strings.Repeat("x", 2*maxLine)))
			synctest.Wait()
		}
		p.stderr.close()
		p.Log([]byte("late"))
		<-done
		if diff := cmp.Diff([]outLine{{text: "on stderr"}, {text: `\x1b[32mon stdout`, stdout: true}}, got[:2], cmp.AllowUnexported(outLine{})); diff != "" {
			t.Error(diff)
		}
		size := 0
		for _, line := range got {
			size += len(line.text)
		}
		if last := got[len(got)-1]; size > shareBytes+maxLine || !strings.Contains(last.text, "lines dropped") {
			t.Errorf("%d bytes were written; last %.80q", size, last.text)
		}
		if tail := p.StderrTail(); tail[len(tail)-1] != "late" {
			t.Errorf("tail %.200q", tail)
		}
	})
}

// Bytes are bounded as lines are, and all processes of a server have one share.
func TestLogShare(t *testing.T) {
	var shares logShares
	if shares.of("a") != shares.of("a") || shares.of("a") == shares.of("b") {
		t.Error("a server has not one share of its own")
	}
	s, now := shares.of("a"), time.Unix(100, 0)
	admitted := 0
	for range 2 * shareBytes / maxLine {
		if ok, missing := shares.of("a").admit(maxLine, now); ok {
			admitted += maxLine
		} else if missing != "" {
			t.Errorf("within the second it says %q", missing)
		}
	}
	if admitted > shareBytes || admitted < shareBytes-maxLine {
		t.Errorf("%d bytes in a second", admitted)
	}
	if ok, _ := s.admit(1, now); !ok {
		t.Error("a short line no longer fits beside long ones")
	}
	ok, missing := s.admit(maxLine, now.Add(time.Second))
	lost := 2*shareBytes/maxLine - admitted/maxLine
	if want := fmt.Sprintf("%s %d lines dropped, %d bytes", ellipsis, lost, lost*maxLine); !ok || missing != want {
		t.Errorf("in the next second: %t, %q, want %q", ok, missing, want)
	}
	if again := s.missing(); again != "" {
		t.Errorf("it is said twice: %q", again)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü 漢\ttab \\ \"quoted\"":               "plain ü 漢\ttab \\ \"quoted\"",
		"\x1b]0;title\x07\x1b[31m":                   `\x1b]0;title\a\x1b[31m`,
		"10%\r20%":                                   `10%\r20%`,
		"c1 \u009b31m del \x7f nul \x00":             `c1 \u009b31m del \x7f nul \x00`,
		"bidi \u202e \u2066 zero\u200bwidth":         `bidi \u202e \u2066 zero\u200bwidth`,
		"line\u2028separators\u2029, tag \U000e0041": `line\u2028separators\u2029, tag \U000e0041`,
		"broken \xff\xc3 \ufffd":                     "broken \\xff\\xc3 \ufffd",
		"":                                           "",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// Whatever a server writes, a line of the log is one line of plain text, in text and in JSON, and no longer than 8 KiB.
func TestStderrInLogs(t *testing.T) {
	hostile := []byte("a\x1b[2J\u202eb\u009bc\x00\xff\u2028" + strings.Repeat("\x01", 3*maxLine) + "\r\n")
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, debug) },
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, debug) },
	} {
		var out strings.Builder
		s := newStderrPump(nil, &Spec{Name: "s"}, slog.New(handler(&out)), &logShare{})
		split := splitter{emit: s.line}
		_, _ = split.Write(hostile)
		s.close()
		s.forward()
		line := strings.TrimSuffix(out.String(), "\n")
		if bad := strings.IndexFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }); bad >= 0 || len(line) > 8<<10 || !strings.Contains(line, "server stderr") {
			t.Errorf("%s: %d bytes, character %d is not printable: %.200q", name, len(line), bad, line)
		}
	}
}

func TestParseStat(t *testing.T) {
	tail := " 1 2 3 0 -1 0 0 0 0 0 10 20 30 40 20 0 %T 0 777 0 5"
	want := func(dead, busy bool, threads int) proc {
		return proc{procKey: procKey{9, 777}, ppid: 1, pgid: 2, sid: 3, dead: dead, busy: busy, threads: threads, ticks: 100, rss: 5}
	}
	for _, tc := range []struct {
		line string
		want proc
		ok   bool
	}{
		{"9 (sh) S" + strings.Replace(tail, "%T", "1", 1), want(false, false, 1), true},
		{"9 (a) Z 5 (b) S" + strings.Replace(tail, "%T", "1", 1), want(false, false, 1), true},
		{"9 (sh) Z" + strings.Replace(tail, "%T", "1", 1), want(true, false, 1), true},
		{"9 (sh) Z" + strings.Replace(tail, "%T", "4", 1), want(false, false, 4), true},
		{"9 (sh) R" + strings.Replace(tail, "%T", "1", 1), want(false, true, 1), true},
		{"9 (sh) D" + strings.Replace(tail, "%T", "1", 1), want(false, true, 1), true},
		{"9 (sh) S 1 2", proc{}, false},
		{"", proc{}, false},
	} {
		got, ok := parseStat(9, []byte(tc.line))
		if ok != tc.ok || got != tc.want {
			t.Errorf("%q: got %+v %v", tc.line, got, ok)
		}
	}
}

func FuzzDecode(f *testing.F) {
	m := message{kind: kindStart, id: 7, path: "/bin/x", dir: "/", argv: []string{"x", "\xff"}, env: []string{"A=b"}, stdinGrace: time.Second, user: []int64{1, 2, 3}}
	f.Add(m.encode(nil))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(m.encode(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again, cmp.AllowUnexported(message{})); diff != "" {
			t.Error(diff)
		}
	})
}

// BenchmarkStartStop is the whole life of a small server, noted in a journal or not, with ceilings or not.
func BenchmarkStartStop(b *testing.B) {
	journaled, err := OpenKeeper(b.Context(), Config{Journal: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		k      *Keeper
		limits Limits
	}{
		{"plain", NewKeeper(nil), Limits{}},
		{"journal", journaled, Limits{}},
		{"ceilings", NewKeeper(nil), Limits{Memory: 1 << 30, CPU: 0.5}},
	} {
		b.Run(tc.name, func(b *testing.B) { benchmarkStartStop(b, tc.k, tc.limits) })
		if err := tc.k.Close(); err != nil {
			b.Error(err)
		}
	}
}

func benchmarkStartStop(b *testing.B, k *Keeper, limits Limits) {
	for b.Loop() {
		p, err := k.Start(b.Context(), Spec{Command: "/bin/cat", Stderr: io.Discard, Limits: limits})
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		_ = p.Stdout().Close()
	}
}
