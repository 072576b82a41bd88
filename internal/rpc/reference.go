// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package rpc

import "crypto/rand"

// Reference returns a name for one log line. A client that is told it can point to
// the line without learning what it says.
func Reference() string { return rand.Text()[:10] }
