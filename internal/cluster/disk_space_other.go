// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package cluster

// freeSpace returns how many bytes a user may still write where dir is; false when
// the system does not say, as here.
func freeSpace(string) (int64, bool) { return 0, false }
