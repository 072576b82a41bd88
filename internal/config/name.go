// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import "errors"

// CheckName reports why a name cannot be a server's, or nil.
func CheckName(name string) error {
	if problem := nameProblem(name); problem != "" {
		return errors.New("a server's name " + problem)
	}
	return nil
}
