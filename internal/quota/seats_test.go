// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	greedy = "192.0.2.1:1000"
	other  = "192.0.2.2:1000"
)

// TestSeatsHaveTurns holds that one client's message waits for one message of another
// at most, however many that other one has sent before.
func TestSeatsHaveTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSeats(2)
		var running, most, served atomic.Int32
		work := func(remote string) {
			var seat Seat
			seat.Enter(s, remote)
			defer seat.Leave()
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Millisecond)
			running.Add(-1)
			served.Add(1)
		}
		for range 100 {
			go work(greedy)
		}
		synctest.Wait()
		began := time.Now()
		work(other)
		if took := time.Since(began); took > 3*time.Millisecond {
			t.Errorf("served after %v and %d of another client's", took, served.Load())
		}
		time.Sleep(time.Second)
		if served.Load() != 101 || most.Load() > 6 { // when an epoch begins two may sit, and two be about to
			t.Errorf("%d served, %d at once", served.Load(), most.Load())
		}
		free(t, s)
	})
}

// TestSeatsAreNotKept holds that who waits for something with a seat keeps nobody from
// working for long, and takes nothing away when it leaves late.
func TestSeatsAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSeats(2)
		var late [2]Seat
		for i := range late {
			late[i].Enter(s, greedy)
		}
		for range 3 {
			began := time.Now()
			var seats [2]Seat
			for i := range seats {
				seats[i].Enter(s, other)
			}
			if took := time.Since(began); took > sitting {
				t.Errorf("waited %v", took)
			}
			for i := range seats {
				seats[i].Leave()
				seats[i].Leave()
			}
		}
		for i := range late {
			late[i].Leave()
		}
		free(t, s)
		var none Seat
		none.Enter(nil, other)
		none.Leave()
		(*Seat)(nil).Leave()
	})
}

// TestSeatsComeFree holds that no seat is lost, and none is left over, whoever comes
// and goes at the same time.
func TestSeatsComeFree(t *testing.T) {
	s := NewSeats(3)
	var wg sync.WaitGroup
	var running, most atomic.Int32
	for n := range 16 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			var seat Seat
			for range 2000 {
				seat.Enter(s, []string{greedy, other, ""}[random.IntN(3)])
				now := running.Add(1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				for range random.IntN(200) {
					_ = random.Uint32()
				}
				running.Add(-1)
				seat.Leave()
			}
		})
	}
	wg.Wait()
	if n := s.line.Len(); n != 0 {
		t.Errorf("%d wait", n)
	}
	free(t, s)
	if most.Load() > 16 || most.Load() == 0 {
		t.Errorf("%d at once", most.Load())
	}
}

// free fails unless all seats are.
func free(t *testing.T, s *Seats) {
	t.Helper()
	if waits := s.state.Load()&awaited != 0; waits || s.Taken() != 0 {
		t.Errorf("%d seats are taken, somebody waits: %v", s.Taken(), waits)
	}
}

// BenchmarkSeats takes a seat and gives it back: alone, as nearly every message does,
// and among others who leave no seat free.
func BenchmarkSeats(b *testing.B) {
	b.Run("free", func(b *testing.B) {
		s := NewSeats(2)
		var seat Seat
		for b.Loop() {
			seat.Enter(s, other)
			seat.Leave()
		}
	})
	b.Run("crowded", func(b *testing.B) {
		s := NewSeats(1)
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			var seat Seat
			for pb.Next() {
				seat.Enter(s, other)
				seat.Leave()
			}
		})
	})
}
