// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster is what several Holdfasts share: replicated stores for session
// records, tasks, settings and event logs, requests and streams from node to
// node, a bus, and the view of who is there. It is the only package that knows
// NATS, and no type of NATS appears in its API.
//
// A node runs in one of three modes. Alone it keeps its stores in files and
// talks to nobody. Clustered, three or more nodes carry the NATS servers inside
// themselves and each store is replicated three ways, or five where five nodes are
// there. External, the stores are in a NATS cluster that somebody else runs.
//
// What is written is acknowledged by a majority before the writer hears of it;
// nothing is ever acknowledged and written later. Reads come from a local cache
// that a change feed keeps fresh: they cost no message and go on when there is
// no majority. So a read may be behind another node's write by the lag of the
// feed, never behind a write of its own node, and compare-and-set decides.
//
// There are two kinds of stores. Settings, tasks and events are few or large: each
// value is a message, which the leader compares and each node is told of. Session
// records are many, small and changed all the time: a message of their journal is
// a frame of many changes, which all nodes compare alike; docs/adr/0008 says why.
//
// A node whose own store cannot be written says why in [Cluster.Ready] and to the
// other nodes, which go on. Where that can pass, as when descriptors or space are
// free again, it opens the store again by itself; where that would not be sound, as
// after an error of the disk, it fails.
//
// A [Cluster] owns its goroutines: the followers of the stores, the heartbeat, the
// watches over the majority, the disk, over who counts for it and over who keeps the
// stores, the mesh with its detours, and one per request and stream that it serves.
// [Cluster.Close] ends them and waits. The goroutines of the NATS server inside end
// with it.
package cluster
