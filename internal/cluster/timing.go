// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"sync"
	"time"
	_ "unsafe" // for go:linkname
)

// The NATS server has no option for the timing of its elections. These are its
// own variables; docs/adr/0006 says why they are set from here and what a test
// holds. They are read while servers run, so they are set before the first one.

//go:linkname natsHeartbeat github.com/nats-io/nats-server/v2/server.hbInterval
var natsHeartbeat time.Duration

//go:linkname natsMinElection github.com/nats-io/nats-server/v2/server.minElectionTimeout
var natsMinElection time.Duration

//go:linkname natsMaxElection github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var natsMaxElection time.Duration

//go:linkname natsLostQuorum github.com/nats-io/nats-server/v2/server.lostQuorumInterval
var natsLostQuorum time.Duration

//go:linkname natsLostQuorumCheck github.com/nats-io/nats-server/v2/server.lostQuorumCheck
var natsLostQuorumCheck time.Duration

// The timing used instead. A follower that hears nothing for minElection to
// maxElection stands for election; a leader that hears no majority for
// lostQuorum steps down.
const (
	raftHeartbeat = 250 * time.Millisecond
	minElection   = 1 * time.Second
	maxElection   = 2250 * time.Millisecond
	lostQuorum    = 2500 * time.Millisecond
)

var setTiming sync.Once

// shortenElections sets the timing for all servers of this process and reports
// whether the server still has what is to be set.
func shortenElections() bool {
	setTiming.Do(func() {
		if !timingKnown() {
			return
		}
		natsHeartbeat, natsMinElection, natsMaxElection = raftHeartbeat, minElection, maxElection
		natsLostQuorum, natsLostQuorumCheck = lostQuorum, lostQuorum
	})
	return natsHeartbeat == raftHeartbeat
}

// timingKnown reports whether the variables are the server's: one that the
// server no longer has is ours alone, and zero.
func timingKnown() bool {
	return natsHeartbeat > 0 && natsMinElection > 0 && natsMaxElection > 0 && natsLostQuorum > 0 && natsLostQuorumCheck > 0
}
