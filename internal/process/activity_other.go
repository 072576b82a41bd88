// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package process

// procTable is nothing here: what processes do is not looked at.
type procTable struct{}

func (*procTable) activity(int) Activity { return Activity{Busy: true} }
