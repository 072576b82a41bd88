// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// kind tells the messages between Holdfast and its keeper apart.
type kind byte

const (
	kindStart   kind = 1 + iota // to the keeper: start a server; its stdin, stdout and stderr come along, then its control group, if any
	kindStop                    // to the keeper: TERM after stdinGrace, KILL after termGrace more
	kindStarted                 // from the keeper: pid and start
	kindSeen                    // from the keeper: the order to stop is noted and the server's descendants are known
	kindFailed                  // from the keeper: errno
	kindExited                  // from the keeper: the server has ended and what it left behind too
)

// Limits of a message: Linux takes at most 6 MiB of arguments and environment.
const (
	maxMessage = 8 << 20
	startFiles = 3
	maxFiles   = startFiles + 1
)

// message is any message. Both ends are the same executable, so the form carries no version; fields that a kind
// does not use are zero, one byte each.
type message struct {
	kind kind
	id   uint32

	path, dir string
	group     string // directory of the server's control group; empty if it has none
	argv, env []string

	sent     int   // how many descriptors were sent along; the kernel may keep some back
	memory   int64 // bytes, to be watched
	pids     int64 // processes and threads, to be watched
	milliCPU int64 // thousandths of a core, to be bound to

	private       []string // paths the server is kept from
	user          []int64  // who the server is run as: user, group, further groups; empty for the keeper's own
	newPrivileges int64    // 1 if the server may gain some

	stdinGrace, termGrace time.Duration

	pid      int
	start    uint64 // of the process, as the kernel counts
	over     int64  // in use when the server was ended for it: bytes, or processes and threads if overPIDs is 1
	overPIDs int64
	errno    unix.Errno // why it failed; when started, why the server is not kept from its private paths
	status   uint32     // as wait4 gives it
	usage    Usage
	ended    int // leftovers that were signalled
	leftover int // leftovers that could not be ended

	files []int // descriptors that came along; the receiver owns them
}

var errMalformed = errors.New("malformed message")

func (m *message) encode(b []byte) []byte {
	b = append(b, byte(m.kind))
	for _, n := range []int64{
		int64(m.id), int64(m.stdinGrace), int64(m.termGrace), int64(m.pid), int64(m.errno), int64(m.status),
		int64(m.usage.User), int64(m.usage.System), m.usage.MaxRSS, int64(m.ended), int64(m.leftover),
		int64(m.sent), m.memory, m.milliCPU, int64(m.start), m.over, m.newPrivileges, m.pids, m.overPIDs,
	} {
		b = binary.AppendVarint(b, n)
	}
	b = appendStrings(b, []string{m.path, m.dir, m.group})
	b = appendStrings(b, m.argv)
	b = appendStrings(b, m.env)
	b = appendStrings(b, m.private)
	b = binary.AppendUvarint(b, uint64(len(m.user)))
	for _, n := range m.user {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

func decode(b []byte) (*message, error) {
	if len(b) == 0 {
		return nil, errMalformed
	}
	d := decoder{rest: b[1:]}
	m := &message{
		kind: kind(b[0]), id: uint32(d.int()), stdinGrace: time.Duration(d.int()), termGrace: time.Duration(d.int()),
		pid: int(d.int()), errno: unix.Errno(d.int()), status: uint32(d.int()),
		usage: Usage{User: time.Duration(d.int()), System: time.Duration(d.int()), MaxRSS: d.int()},
		ended: int(d.int()), leftover: int(d.int()),
		sent: int(d.int()), memory: d.int(), milliCPU: d.int(), start: uint64(d.int()), over: d.int(),
		newPrivileges: d.int(), pids: d.int(), overPIDs: d.int(),
	}
	where := d.strings()
	m.argv, m.env, m.private = d.strings(), d.strings(), d.strings()
	for n := d.size(); n > 0 && !d.bad; n-- {
		m.user = append(m.user, d.int())
	}
	if d.bad || len(where) != 3 || len(d.rest) != 0 {
		return nil, errMalformed
	}
	m.path, m.dir, m.group = where[0], where[1], where[2]
	return m, nil
}

// decoder reads values off rest until something does not fit.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// size reads a count of things that take at least one byte each.
func (d *decoder) size() int {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > uint64(len(d.rest)-n) {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return int(v)
}

func (d *decoder) strings() []string {
	var list []string
	for n := d.size(); n > 0 && !d.bad; n-- {
		size := d.size()
		list = append(list, string(d.rest[:size]))
		d.rest = d.rest[size:]
	}
	return list
}

// wire is one end of the socket pair: a length, which carries the descriptors, then the message. One reader; any number of writers.
type wire struct {
	conn  *net.UnixConn
	limit time.Duration // of one send; 0 is none
	mu    sync.Mutex    // held for one send: keeps a message in one piece, guards nothing else
}

// newWire takes over the socket f.
func newWire(f *os.File) (*wire, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open keeper socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("open keeper socket: it is %T", c)
	}
	return &wire{conn: u}, nil
}

// send writes m and a copy of the descriptors of files. After an error in between, nothing more can be sent: the connection is closed.
func (w *wire) send(m *message, files ...*os.File) error {
	m.sent = len(files)
	b := m.encode(make([]byte, 4, 256))
	if len(b)-4 > maxMessage {
		return unix.E2BIG
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd()) // also makes it blocking, as a child expects it
		}
		oob = unix.UnixRights(fds...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit > 0 {
		_ = w.conn.SetWriteDeadline(time.Now().Add(w.limit)) // fails with the write
	}
	// It may take only a part; the descriptors go with the first byte.
	n, _, err := w.conn.WriteMsgUnix(b, oob, nil)
	if err == nil && n < len(b) {
		_, err = w.conn.Write(b[n:])
	}
	if err != nil {
		_ = w.conn.Close()
	}
	return err
}

// receive reads the next message.
func (w *wire) receive() (*message, error) {
	var head [4]byte
	oob := make([]byte, unix.CmsgSpace(maxFiles*4))
	n, oobn, _, _, err := w.conn.ReadMsgUnix(head[:], oob)
	if err != nil {
		return nil, err
	}
	files := rights(oob[:oobn])
	m, err := w.body(head[:], n)
	if err != nil {
		closeFDs(files)
		return nil, err
	}
	m.files = files
	return m, nil
}

func (w *wire) body(head []byte, have int) (*message, error) {
	if _, err := io.ReadFull(w.conn, head[have:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > maxMessage {
		return nil, errMalformed
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(w.conn, b); err != nil {
		return nil, err
	}
	return decode(b)
}

// rights returns the descriptors in a control message; net has received them close-on-exec.
func rights(oob []byte) []int {
	var fds []int
	parts, _ := unix.ParseSocketControlMessage(oob)
	for i := range parts {
		got, _ := unix.ParseUnixRights(&parts[i])
		fds = append(fds, got...)
	}
	return fds
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
