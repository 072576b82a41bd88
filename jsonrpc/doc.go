// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package jsonrpc is the JSON-RPC 2.0 message layer of MCP: raw ids, lazily
// decoded messages, one error type, batches and line framing.
//
// It is pure: no goroutine, no I/O beyond the readers and writers it is given,
// and no knowledge of MCP. Params, results and ids stay the bytes that were
// received, so what is only forwarded is never rewritten. Input is read
// strictly: member names are case-exact, duplicate names and invalid UTF-8 are
// refused, so no other parser behind this one can see a different message. What
// servers send may be read leniently, see [DecodeLenient]: it is repaired, and
// what is passed on is valid again.
package jsonrpc
