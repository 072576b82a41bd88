// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests the built programs with real peers: clients on the official TypeScript SDKs (js), also in a page that
// Chromium shows (js/page.mjs), on the official Go SDK (gosdk) and on Holdfast's own client (own) in front; the reference
// servers from npm and servers on the official Go SDK (gosdk/kit) behind.
//
// Each client is a process that does one step per line of its standard input; js/peer.mjs describes the lines. The
// package holds tests only. It relies on Linux (/proc).
package e2e
