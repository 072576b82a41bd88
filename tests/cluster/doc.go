// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster tests three real Holdfast processes whose clients send each
// request to another node, as behind a load balancer that sticks to nothing.
package cluster
