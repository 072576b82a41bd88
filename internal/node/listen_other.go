// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package node

import "net"

// settle does nothing: this system cannot be told to take no new connections and
// keep those it has. Those that nobody has accepted are reset by closing l.
func settle(net.Listener) error { return nil }
