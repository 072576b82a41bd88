// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// privacy finds out once, when the first server is started, which private paths servers of this process's own user can be kept from.
type privacy struct {
	once  sync.Once
	paths []string // resolved

	mu    sync.Mutex
	users map[string]bool // servers of which is logged that they use a private path
}

// open returns the private paths of a Keeper that servers can be kept from, and logs why not from others.
func (g *privacy) open(paths []string, log *slog.Logger) []string {
	g.once.Do(func() {
		var reasons []string
		for _, path := range paths {
			resolved, err := filepath.EvalSymlinks(path)
			if err == nil {
				err = protectable(resolved, os.Geteuid(), landlockVersion(), writable)
			}
			if err != nil {
				reasons = append(reasons, fmt.Sprintf("%s: %v", path, err))
				continue
			}
			g.paths = append(g.paths, resolved)
		}
		if len(paths) > 0 {
			log.Info("files of Holdfast and servers that run as its user", "kept_from", g.paths, "can_read", reasons)
		}
	})
	return g.paths
}

// protectable tells why servers of that user cannot be kept from a path, at no cost to what else they do. Rules name what stands in the
// directories above it when a server starts; what is made there later its processes cannot read. Root may make something in any of them, but
// hardly in the topmost, unless a server works there.
func protectable(path string, uid, landlock int, writable func(dir string) bool) error {
	if landlock < landlockNeeded {
		return errors.New("this kernel has no Landlock of Linux 5.19 or newer")
	}
	for _, dir := range levels(path) {
		switch {
		case uid == 0 && dir == "/":
		case uid == 0:
			return fmt.Errorf("servers run as root, may write to %s, and could not read what they make there", dir)
		case writable(dir):
			return fmt.Errorf("servers may write to %s, and could not read what they make there", dir)
		case dir == "/etc":
			return errors.New("files of /etc are replaced by new ones while servers run, which they could not read")
		}
	}
	return nil
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }

// keptFrom returns the private paths that one server is kept from: none that its own command, directory, arguments or environment name,
// nor one below the directory it works in and may write to.
func (g *privacy) keptFrom(k *Keeper, name string, c *command) []string {
	if c.newPrivileges || c.user != nil && !c.user.isSelf() {
		return nil // Landlock takes the one; the other is kept off by the owners and modes of files
	}
	paths := g.open(k.cfg.Private, k.log)
	if len(paths) == 0 {
		return nil
	}
	program, _ := filepath.EvalSymlinks(c.path) // it is executable
	dir, _ := filepath.EvalSymlinks(c.dir)
	told := slices.Concat([]string{c.path, program, c.dir, dir}, c.argv, c.env)
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		uses := slices.ContainsFunc(told, func(text string) bool { return inside(text, path) }) ||
			os.Geteuid() == 0 && slices.Contains(levels(path), dir)
		if uses {
			g.note(k.log, name, path)
		}
		return uses
	})
}

// note logs once of each server that it is not kept from a path.
func (g *privacy) note(log *slog.Logger, name, path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users == nil {
		g.users = map[string]bool{}
	}
	if !g.users[name] {
		g.users[name] = true
		log.Warn("server uses the directory of Holdfast, or works above it, and is not kept from it; give it another one", "server", name, "directory", path)
	}
}
