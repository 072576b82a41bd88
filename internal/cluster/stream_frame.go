// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// What a frame of a stream is made of.
const (
	frameHead  = 8 + 8 + 1 + 8 // to, from, type, number
	frameData  = 'd'           // a message, or the last part of one
	framePart  = 'p'           // a part of a message that goes on
	frameDrop  = 'x'           // what was sent of a message does not go on
	frameEnd   = 'e'           // no more data
	frameClose = 'c'           // it is over, with an error text
	frameGrant = 'g'           // so much has been received
	frameWant  = 'w'           // the other end waits for a grant
	frameReset = 'r'           // no such stream
	// frameCompare says how many messages have been sent, and whether End was
	// called: the link was broken, and some may have been lost.
	frameCompare = 'm'
)

// frame sends one frame.
func (s *Stream) frame(kind byte, number uint64, payload []byte) error {
	s.mu.Lock()
	peer := s.peer
	s.mu.Unlock()
	return s.x.send(s.subject, peer, s.id, kind, number, payload)
}

// frameBuffers are buffers for frames: the connection copies what is published.
var frameBuffers = sync.Pool{New: func() any { return new([]byte) }}

func (x *exchange) send(subject string, to, from uint64, kind byte, number uint64, payload []byte) error {
	buf, _ := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(buf)
	data := (*buf)[:0]
	data = binary.BigEndian.AppendUint64(data, to)
	data = binary.BigEndian.AppendUint64(data, from)
	data = append(data, kind)
	data = binary.BigEndian.AppendUint64(data, number)
	data = append(data, payload...)
	if cap(data) <= 2*nodes.PartBytes {
		*buf = data
	}
	return x.c.conn.PublishMsg(&nats.Msg{Subject: subject, Reply: x.c.cfg.Cluster + ".frame." + x.c.cfg.Name, Data: data})
}

// frame takes a frame for one of this node's streams.
func (x *exchange) frame(m *nats.Msg) {
	if len(m.Data) < frameHead {
		return
	}
	to, from := binary.BigEndian.Uint64(m.Data), binary.BigEndian.Uint64(m.Data[8:])
	kind, number := m.Data[16], binary.BigEndian.Uint64(m.Data[17:])
	x.mu.RLock()
	s := x.streams[to]
	x.mu.RUnlock()
	if s != nil {
		s.take(kind, number, m.Data[frameHead:])
		return
	}
	if (kind == frameData || kind == framePart || kind == frameWant || kind == frameCompare) && m.Reply != "" {
		_ = x.send(m.Reply, from, to, frameReset, 0, nil) // it notices otherwise
	}
}

// take handles one frame. It does not block.
func (s *Stream) take(kind byte, number uint64, payload []byte) {
	switch kind {
	case frameData, framePart, frameDrop:
		s.data(number, part{data: payload, more: kind == framePart, drop: kind == frameDrop})
	case frameEnd, frameClose:
		s.peerEnds(kind, number, string(payload))
	case frameGrant:
		s.credited(payload)
	case frameWant:
		s.mu.Lock()
		s.eager = true
		if s.joined != nil && !s.hasJoined {
			s.hasJoined = true
			close(s.joined)
		}
		due := s.due()
		s.mu.Unlock()
		if due {
			s.grant()
		}
	case frameCompare:
		s.compared(number, len(payload) > 0)
	case frameReset:
		s.end(&nodes.LostError{Node: s.node, Sent: true})
	}
}

var errBroken = errors.New("messages of the stream were lost on the way")

func (s *Stream) data(number uint64, p part) {
	s.mu.Lock()
	broken := number != s.received+1 || len(s.queue) >= 2*windowParts
	if !broken {
		s.received = number
		s.queue = append(s.queue, p)
		s.wake()
	}
	s.mu.Unlock()
	if broken {
		s.Close(errBroken)
	}
}

// peerEnds takes the other end's last word. What it sent before has to be here.
func (s *Stream) peerEnds(kind byte, number uint64, text string) {
	s.mu.Lock()
	broken := number != s.received
	if !broken && (kind == frameEnd || text == "") {
		s.ended = true
		s.wake()
	}
	s.mu.Unlock()
	switch {
	case broken:
		s.Close(errBroken)
	case kind == frameClose && text == "":
		s.end(io.EOF)
	case kind == frameClose:
		s.end(&RemoteError{Node: s.node, Message: text})
	}
}

// compare has the streams to a node look whether the other end has received all
// that was sent.
func (x *exchange) compare(node string) {
	for _, s := range x.streamsTo(node) {
		s.compare()
	}
}

// streamsTo returns the streams between this node and another.
func (x *exchange) streamsTo(node string) []*Stream {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var streams []*Stream
	for _, s := range x.streams {
		if s.node == node {
			streams = append(streams, s)
		}
	}
	return streams
}

func (s *Stream) compare() {
	s.uncompared.Store(true)
	s.mu.Lock()
	s.wake() // who waits for a grant that may have been lost asks again
	s.mu.Unlock()
	if s.trySending() { // else who sends does it
		s.release()
	}
}

// release gives sending back, after what compare has asked for: behind the last
// message that has a number.
func (s *Stream) release() {
	for {
		s.sayCompare()
		<-s.sending
		if !s.uncompared.Load() || !s.trySending() {
			return
		}
	}
}

// trySending takes sending if nobody has it.
func (s *Stream) trySending() bool {
	select {
	case s.sending <- struct{}{}:
		return true
	default:
		return false
	}
}

// sayCompare tells the other end how much has been sent, if that is due. sending is
// held.
func (s *Stream) sayCompare() {
	if !s.uncompared.Swap(false) {
		return
	}
	s.mu.Lock()
	number, open := s.sent.parts, s.peer != 0 && s.err == nil
	var ended []byte
	if s.closed {
		ended = []byte{1}
	}
	s.mu.Unlock()
	if open {
		_ = s.frame(frameCompare, number, ended) // when the link breaks again it is compared again
	}
}

// compared takes what the other end says of what it has sent.
func (s *Stream) compared(number uint64, ended bool) {
	if ended {
		s.peerEnds(frameEnd, number, "")
		return
	}
	s.mu.Lock()
	broken := number != s.received && s.err == nil
	s.mu.Unlock()
	if broken {
		s.Close(errBroken)
	}
}

func (s *Stream) credited(data []byte) {
	if len(data) != 16 {
		return
	}
	c := credit{binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:])}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.parts > s.acked.parts && c.parts <= s.sent.parts {
		s.acked = c
		s.wake()
	}
}
