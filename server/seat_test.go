// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/quota"
)

// TestHandlersHaveNoSeat holds that tools and middleware, which may take long, are run
// without a seat at the processors, and lists are made with one.
func TestHandlersHaveNoSeat(t *testing.T) {
	for _, tt := range []struct {
		method string
		opts   []Option
		after  int // seats taken
	}{
		{"tools/call", nil, 0},
		{"tools/list", nil, 1},
		{"tools/list", []Option{Use(func(ctx context.Context, _ *Request, next func(context.Context) error) error { return next(ctx) })}, 0},
	} {
		seats := quota.NewSeats(1)
		s := New("s", "1", tt.opts...)
		within := 0
		AddTool(s, "look", "Looks", func(context.Context, *Request, struct{}) (string, error) {
			within = seats.Taken()
			return "", nil
		})
		call := newCall(tt.method, `{"name":"look","arguments":{}}`)
		var seat quota.Seat
		seat.Enter(seats, "192.0.2.1:1")
		call.Seat = &seat
		if _, err := s.handler.Handle(t.Context(), call); err != nil || within != 0 || seats.Taken() != tt.after {
			t.Errorf("%s: %v; %d seats taken by the tool, %d after", tt.method, err, within, seats.Taken())
		}
		s.Close()
	}
}
