// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-mcp/holdfast/internal/pause"
)

// Pace bounds how much one client may do in a time, such as bytes that it has written:
// who is too fast waits. It is safe for concurrent use. A nil Pace bounds nothing.
type Pace struct {
	rate  rate.Limit
	burst int

	mu sync.Mutex
	by map[Client]*rate.Limiter // those that have done something lately
	at int                      // so many are looked through again
}

// NewPace returns a pace of so much a second, of which burst may come at once.
func NewPace(perSecond float64, burst int) *Pace {
	return &Pace{rate: rate.Limit(perSecond), burst: burst, by: map[Client]*rate.Limiter{}, at: minPaced}
}

// minPaced is how many clients are remembered at least before those that have done
// nothing for a while are forgotten.
const minPaced = 1024

// Wait waits until c may go on after what it has done, at most so long. It fails with
// [ErrShare] at once when that is not enough, and with ctx's cause when ctx ends.
func (p *Pace) Wait(ctx context.Context, c Client, most time.Duration) error {
	if p == nil {
		return nil
	}
	wait := p.of(c).ReserveN(time.Now(), 0).Delay()
	switch {
	case wait == 0:
		return nil
	case wait > most:
		return ErrShare
	}
	return pause.For(ctx, wait)
}

// Did counts n more that c has done.
func (p *Pace) Did(c Client, n int) {
	if p != nil && n > 0 {
		p.of(c).ReserveN(time.Now(), min(n, p.burst))
	}
}

// of returns what bounds a client.
func (p *Pace) of(c Client) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.by[c]
	if l == nil {
		l = rate.NewLimiter(p.rate, p.burst)
		p.by[c] = l
		if len(p.by) >= p.at {
			now := time.Now()
			maps.DeleteFunc(p.by, func(d Client, l *rate.Limiter) bool { return d != c && l.TokensAt(now) >= float64(p.burst) })
			p.at = max(2*len(p.by), minPaced)
		}
	}
	return l
}
