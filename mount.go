// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/node"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Errors of mounting.
var (
	// ErrStarted reports a mount that came too late: the node has started.
	ErrStarted = errors.New("the node has started")
	// ErrNameTaken reports a name that another mount or the configuration file has.
	ErrNameTaken = errors.New("another server has this name")
)

// Mount adds a server of this program under name, as if the configuration file
// named it. How it is served is the node's to say: its options about eras, hosts
// and origins have no effect here. The node does not close it. Mounts come before
// Start and Run.
func (n *Node) Mount(name string, s *server.Server) error {
	if s == nil {
		return fmt.Errorf("mount %q: the server is nil", name)
	}
	return n.mount(node.Mount{Name: name, Server: s})
}

// MountConn adds a server in this process, of whatever make, that is reached by
// message streams. Each stream that dial returns is one instance of the server,
// and [Share] says whose calls meet in one; by default each session of a client
// has its own. dial is called when an instance is needed, possibly several times
// at once; its context bounds the dialing only. The Conn's Close ends the
// instance and waits for it, within bounds.
func (n *Node) MountConn(name string, dial func(context.Context) (transport.Conn, error), opts ...MountOption) error {
	if dial == nil {
		return fmt.Errorf("mount %q: the dial function is nil", name)
	}
	m := node.Mount{Name: name, Dial: dial, Pool: config.Pool{
		Sharing: config.PerSession, Max: defaultInstances, Idle: defaultIdle, MaxCalls: defaultCalls, Start: startTimeout,
	}}
	for _, o := range opts {
		o.mount(&m)
	}
	return n.mount(m)
}

// Defaults of a mount's instances.
const (
	defaultInstances = 4096
	defaultIdle      = 30 * time.Minute
	defaultCalls     = 1024
	startTimeout     = 10 * time.Second
)

func (n *Node) mount(m node.Mount) error {
	if err := config.CheckName(m.Name); err != nil {
		return fmt.Errorf("mount %q: %w", m.Name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sealed {
		return fmt.Errorf("mount %q: %w", m.Name, ErrStarted)
	}
	for _, other := range n.cfg.File.Servers {
		if other.Name == m.Name {
			return fmt.Errorf("mount %q: %w (line %d of %s)", m.Name, ErrNameTaken, other.Line, n.cfg.File.File)
		}
	}
	for _, other := range n.cfg.Mounts {
		if other.Name == m.Name {
			return fmt.Errorf("mount %q: %w", m.Name, ErrNameTaken)
		}
	}
	n.cfg.Mounts = append(n.cfg.Mounts, m)
	return nil
}

// MountOption configures [Node.MountConn].
type MountOption interface{ mount(*node.Mount) }

type mountOption func(*node.Mount)

func (f mountOption) mount(m *node.Mount) { f(m) }

// Sharing says whose calls may meet in one instance of a mounted server.
type Sharing string

// The sharing policies.
const (
	Shared       Sharing = "shared"    // everybody's
	PerTenant    Sharing = "tenant"    // those of one tenant's principals
	PerPrincipal Sharing = "principal" // one principal's
	PerSession   Sharing = "session"   // one legacy session's; of modern clients, who have no session, one call's
	PerCall      Sharing = "call"      // none: each call has its own
)

// Share sets whose calls meet in one instance; the default is [PerSession]. It
// panics when s is none of the constants.
func Share(s Sharing) MountOption {
	switch s {
	case Shared, PerTenant, PerPrincipal, PerSession, PerCall:
	default:
		panic(fmt.Sprintf("holdfast: no sharing policy %q", s))
	}
	return mountOption(func(m *node.Mount) { m.Pool.Sharing = config.Sharing(s) })
}

// ForceEra speaks this era with the server without asking which one it speaks.
func ForceEra(era mcp.Era) MountOption { return mountOption(func(m *node.Mount) { m.Era = era }) }

// MaxInstances bounds the instances at one time (default 4096); calls that need
// one more wait for it until their deadline.
func MaxInstances(count int) MountOption {
	return mountOption(func(m *node.Mount) { m.Pool.Max = max(count, 1) })
}

// MaxCalls bounds the calls in flight at one time (default 1024); more wait
// until their deadline.
func MaxCalls(count int) MountOption {
	return mountOption(func(m *node.Mount) { m.Pool.MaxCalls = max(count, 1) })
}

// IdleTimeout ends an instance that had no call for so long (default 30
// minutes). The next call of its session gets a new one.
func IdleTimeout(d time.Duration) MountOption {
	return mountOption(func(m *node.Mount) { m.Pool.Idle = d })
}
