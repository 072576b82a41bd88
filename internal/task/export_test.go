// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

// Deliveries returns how many deliveries a Set remembers.
func Deliveries(s *Set) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.delivered) + len(s.isDelivered)
}
