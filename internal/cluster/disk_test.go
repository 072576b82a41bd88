// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// TestDiskErrors holds what each write error means: what it is called, whether it
// can pass, and whether it is for lack of space. The server keeps only the words of
// some.
func TestDiskErrors(t *testing.T) {
	for _, k := range []struct {
		errno         syscall.Errno
		passes, space bool
	}{
		{syscall.ENOSPC, true, true}, {syscall.EDQUOT, true, true}, {syscall.EFBIG, true, true},
		{syscall.EMFILE, true, false}, {syscall.ENFILE, true, false}, {syscall.ENOMEM, true, false},
		{syscall.EROFS, true, false}, {syscall.EACCES, true, false}, {syscall.EPERM, true, false},
		{syscall.EIO, false, false}, {syscall.ENOENT, false, false}, {syscall.ENXIO, false, false},
	} {
		path := &fs.PathError{Op: "open", Path: "/data/no space left on device/1.blk", Err: k.errno}
		for _, cause := range []error{k.errno, fmt.Errorf("store: %w", path), fmt.Errorf("create block: %v", k.errno)} {
			err := &DiskError{"/data", cause}
			if err.Passes() != k.passes || errors.Is(err, ErrStorage) != k.space || !errors.Is(err, ErrNoQuorum) {
				t.Errorf("%v: passes %t, space %t", cause, err.Passes(), errors.Is(err, ErrStorage))
			}
			if words := "the store in /data cannot be written: "; !strings.HasPrefix(err.Error(), words) || !strings.Contains(err.Error(), k.errno.Error()+"; ") {
				t.Errorf("%v: %q", cause, err)
			}
		}
	}
}

// TestServerWords holds that the lines by which the server says that it could not
// write are known, in the words of its source, and that others are not.
func TestServerWords(t *testing.T) {
	d := &disk{dir: "/data", log: testLog(), news: make(chan struct{}, 1)}
	l := &serverLog{log: testLog(), disk: d}
	for format, args := range map[string][]any{
		"Error sending snapshot to follower [%s]: %v": {"x", errors.New("no")},
		"Temporary Accept Error (%v), sleeping":       {syscall.EMFILE},
		"TLS route handshake error: %v":               {syscall.EIO},
	} {
		l.Errorf(format, args...)
		l.Warnf(format, args...)
		if err := d.err(); err != nil {
			t.Errorf("%q: %v", format, err)
		}
	}
	for format, args := range map[string][]any{
		"Filestore [%s] Critical write error: %v":                         {"x", syscall.EMFILE},
		"RAFT [a - b] Critical write error: %v":                           {syscall.EMFILE},
		"JetStream stream '%s > %s' critical write error: %v":             {"a", "b", syscall.EMFILE},
		"JetStream cluster meta group critical write error: %v":           {syscall.EMFILE},
		"JetStream failed to store a msg on stream '%s > %s': %v":         {"a", "b", errors.New("too many open files")},
		"Failed to flush pending data for '%s > %s' [%s]: %v":             {"a", "b", "c", syscall.EMFILE},
		"Filesystem permission denied while writing msg, disabling: %v":   {syscall.EMFILE},
		"File system permission denied when flushing stream state: %v":    {syscall.EMFILE},
		"Anything else that has come to the last byte of the disk: %v":    {&fs.PathError{Err: syscall.ENOSPC}},
		"JetStream consumer '%s > %s > %s' critical write error: strange": {"a", "b", "c"},
	} {
		for _, say := range []func(string, ...any){l.Errorf, l.Warnf} {
			say(format, args...)
			if err := d.err(); err == nil || !errors.Is(err, ErrNoQuorum) {
				t.Errorf("%q: %v", format, err)
			}
			d.reopened()
			d.mend()
		}
	}
}

// TestWorseErrorWins holds that the first error is told until the store is opened
// again, but for one after which it must not be.
func TestWorseErrorWins(t *testing.T) {
	d := &disk{dir: "/data", log: testLog(), news: make(chan struct{}, 1)}
	d.report(nil)
	if d.err() != nil {
		t.Fatal(d.err())
	}
	d.report(syscall.EMFILE)
	d.report(syscall.ENOSPC)
	if err := d.err(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("told %v, not the first", err)
	}
	if d.mend() {
		t.Error("mended without being opened again")
	}
	d.reopened()
	d.report(syscall.EMFILE)
	if d.mend() {
		t.Error("mended with an error since the reopening")
	}
	d.report(syscall.EIO)
	if err := d.err(); !errors.Is(err, syscall.EIO) || err.Passes() {
		t.Errorf("told %v, not the worst", err)
	}
}

// TestShortAtStart starts a node on a disk with too little space, which says how
// much it needs and where, and starts when there is enough.
func TestShortAtStart(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Log: testLog()}.withDefaults()
	d := newDisk(&cfg, Alone)
	d.free = func(string) (int64, bool) { return 11 << 20, true }
	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	err := d.err()
	if err == nil || !errors.Is(err, ErrStorage) || !err.Passes() {
		t.Fatal(err)
	}
	for _, words := range []string{d.dir, "32 MiB", "11.0 MiB", "free some space"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q does not say %q", err, words)
		}
	}
	e, failed := startServer(&cfg, Alone, nil, d)
	if failed != nil {
		t.Fatal(failed)
	}
	defer e.close()
	if e.srv.JetStreamEnabled() {
		t.Error("the store was opened without space")
	}
	d.free = freeSpace
	if err := errors.Join(d.usable(), e.reopen()); err != nil || !e.srv.JetStreamEnabled() {
		t.Errorf("with space again: %v", err)
	}
}

// TestDirectoryRemoved: a store whose files are gone ends its node, since one that
// was opened again would begin with nothing and say that all is well.
func TestDirectoryRemoved(t *testing.T) {
	c := openAlone(t, t.TempDir())
	if err := os.RemoveAll(c.disk.dir); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Failed():
	case <-time.After(2 * probeEvery):
		t.Fatal("nobody has noticed")
	}
	if err, ok := errors.AsType[*DiskError](c.Err()); !ok || err.Passes() || !strings.Contains(err.Error(), "removed") {
		t.Errorf("it ended with %v", c.Err())
	}
}

// TestDiskFull holds that a full disk shows in readiness, with what to do, that a
// change is then refused at once, and that both end by themselves.
func TestDiskFull(t *testing.T) {
	c, ctx := openAlone(t, t.TempDir()), bounded(t)
	full := &fs.PathError{Op: "write", Path: "1.blk", Err: syscall.ENOSPC}
	c.server.log.Errorf("JetStream failed to store a msg on stream '%s': %v", "x", fmt.Errorf("store: %w", full))
	if err := c.Ready(); !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("ready with a full disk: %v", err)
	}
	if _, err := c.Sessions().Put(ctx, session.NewID(), testRecord("a")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a change: %v", err)
	}
	eventually(t, 10*time.Second, c.Ready)
	if _, err := c.Sessions().Put(ctx, session.NewID(), testRecord("a")); err != nil {
		t.Error(err)
	}
}
