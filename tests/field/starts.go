// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import "time"

// starts are servers that come up late or never. The others must not wait for them.
func starts() []Variant {
	return []Variant{
		{Name: "slow", Server: Server{Sleep: 12 * time.Second}, Late: 30 * time.Second},
		{Name: "very_slow", Server: Server{Sleep: 40 * time.Second}, Late: 60 * time.Second},
		{Name: "hanging", Server: Server{Sleep: time.Hour}, Refused: true, Down: "hanging"},
		{Name: "key_missing", Server: Server{Crash: "Error: API key is required\n"}, Refused: true, Down: "API key is required"},
		{Name: "late_http", HTTP: &HTTP{Late: 3 * time.Second}, Late: 10 * time.Second},
	}
}
