// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"strings"

	"golang.org/x/sys/unix"
)

const tcpEstablished = 1

// tcpState returns the state of a socket, 0 if it has none.
func tcpState(fd int) uint8 {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return info.State
}

// Kinds of HTTP/2 frames (RFC 9113 §6).
const (
	frameData     = 0
	frameHeaders  = 1
	frameSettings = 4
	endStream     = 1
	endHeaders    = 4
	ack           = 1
)

func frame(kind, flags byte, stream int, payload string) string {
	h := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind)) // a few hundred bytes
	h = binary.BigEndian.AppendUint32(append(h, flags), uint32(stream))           // a few hundred
	return string(h) + payload
}

// fields are headers as literals without index (RFC 7541 §6.2.2).
func fields(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("\x00" + string(rune(len(pairs[i]))) + pairs[i] + string(rune(len(pairs[i+1]))) + pairs[i+1])
	}
	return b.String()
}

// windows ask for a list over HTTP/2, many times at once, and give the answers no
// room.
func windows(ctx context.Context, a *attacker) {
	const streams = 250
	headers := fields(":method", "POST", ":scheme", "http", ":authority", "localhost", ":path", "/servers/s/mcp", "content-type", "application/json",
		"accept", "application/json, text/event-stream", "mcp-protocol-version", "2026-07-28", "mcp-method", "tools/list")
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`
	var all strings.Builder
	for n := range streams {
		all.WriteString(frame(frameHeaders, endHeaders, 2*n+1, headers) + frame(frameData, endStream, 2*n+1, body))
	}
	each(ctx, 265, func(int) error {
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		// SETTINGS_INITIAL_WINDOW_SIZE 0
		preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(frameSettings, 0, 0, "\x00\x04\x00\x00\x00\x00") + frame(frameSettings, ack, 0, "")
		if _, err := io.WriteString(c, preface+all.String()); err != nil {
			return err
		}
		hold(ctx, c)
		return nil
	})
}

// text is a WebSocket frame of text, masked with zeros (RFC 6455 §5.2).
func text(payload string) string {
	h := binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, uint64(len(payload)))
	return string(h) + "\x00\x00\x00\x00" + payload
}

const upgrade = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mcp\r\n\r\n"

const hello = `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}`

// subscriptions are to long URIs: one WebSocket, and sessions over HTTP.
func subscriptions(ctx context.Context, a *attacker) {
	uri := func(n, size int) string {
		return `{"uri":"x:` + strings.Repeat("u", size) + string(rune('a'+n%26)) + strings.Repeat("v", n/26) + `"}`
	}
	each(ctx, 5, func(n int) error {
		if n > 0 {
			s, err := a.client(ctx, "/mcp")
			for n := 0; err == nil && n < 250; n++ {
				err = a.post(ctx, "/mcp", s.Session, request(n, "resources/subscribe", uri(n, 8000)))
			}
			return err
		}
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, upgrade); err != nil {
			return err
		}
		in := bufio.NewReader(c)
		if _, err := http.ReadResponse(in, nil); err != nil { //nolint:bodyclose // an upgrade has no body
			return err
		}
		go func() { _, _ = io.Copy(io.Discard, in) }() // ends with the connection
		if _, err := io.WriteString(c, text(request(0, "initialize", hello))); err != nil {
			return err
		}
		for n := range 60 {
			if _, err := io.WriteString(c, text(request(n+1, "resources/subscribe", uri(n, 3_500_000)))); err != nil {
				return err
			}
		}
		hold(ctx, c)
		return nil
	})
}
