// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// TestCallsLeaveTheirSeat holds that a call which waits for its server has no seat at the
// processors meanwhile.
func TestCallsLeaveTheirSeat(t *testing.T) {
	d := newInMemory(mcp.Modern).closes(t)
	seats, taken := quota.NewSeats(1), -1
	server.AddTool(d.srv, "look", "Looks", func(context.Context, *server.Request, struct{}) (string, error) {
		taken = seats.Taken()
		return "", nil
	})
	call := callOf("look", `{}`, &caller{})
	var seat quota.Seat
	seat.Enter(seats, "192.0.2.1:1")
	call.Seat = &seat
	if _, err := newRemote(t, d.dial).Handle(t.Context(), call); err != nil || taken != 0 {
		t.Errorf("%v; %d seats are taken meanwhile", err, taken)
	}
}
