// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package holdfast is the root of the Holdfast module: an MCP server runtime
// and gateway. Tools are written with package server, other servers are called
// with package client, and cmd/holdfast is the gateway.
package holdfast
