// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package cluster

import "errors"

func setLimit(string, uint64) error { return errors.ErrUnsupported }
