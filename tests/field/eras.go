// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import "time"

// eras are servers that take few versions, or are slow to say which.
func eras() []Variant {
	return []Variant{
		{Name: "oldest", Server: Server{Versions: []string{"2024-11-05"}}, Refused: true},
		{Name: "two_listed", Server: Server{Versions: []string{"2025-03-26", "2024-11-05"}}, Refused: true},
		{Name: "oldest_refuses", Server: Server{Versions: []string{"2024-11-05"}, Mute: []string{"server/discover"}}, Refused: true, Late: 25 * time.Second},
		{Name: "oldest_http", HTTP: &HTTP{}, Server: Server{Versions: []string{"2024-11-05"}}, Refused: true},
		{Name: "modern", Server: Server{Modern: true}, Refused: true},
		{Name: "modern_slow", Server: Server{Modern: true, Sleep: 12 * time.Second}, Refused: true, Late: 40 * time.Second},
		{Name: "mute_discover", Server: Server{Mute: []string{"server/discover"}}, Late: 25 * time.Second},
		{Name: "mute_lists", Server: Server{Mute: []string{"prompts/list", "resources/list", "resources/templates/list"}}, Refused: true, Late: 25 * time.Second},
		{Name: "pinned", Server: Server{Mute: []string{"server/discover"}}, Config: map[string]any{"protocol": "legacy"}},
		{Name: "pinned_modern", Server: Server{Modern: true}, Config: map[string]any{"protocol": "modern"}, Refused: true},
		{Name: "pinned_date", Server: Server{Versions: []string{"2024-11-05"}}, Config: map[string]any{"protocol": "2024-11-05"}, Refused: true},
	}
}
