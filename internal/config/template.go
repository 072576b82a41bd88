// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	_ "embed"
)

//go:embed holdfast.yaml
var template []byte

// Template returns the commented file that holdfast init writes. It means the
// same as [Default].
func Template() []byte { return bytes.Clone(template) }
