// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package ownership

import (
	"fmt"
	"os"
)

const noFollow = 0

func checkLink(os.FileInfo) error { return nil }

func checkDirectory(os.FileInfo) error { return nil }

func checkFile(_ *os.File, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("is %s, not a regular file", describe(info.Mode()))
	}
	return nil
}

func checkSecret(os.FileInfo) (exposed bool, err error) { return false, nil }
