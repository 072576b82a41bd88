// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// peer is the process at the other end of a connection, as it was when it
// connected or listened.
type peer struct {
	uid   int         // -1 where the system does not tell
	pid   int         // 0 where the system does not tell, or it is in another namespace of processes
	gone  func() bool // whether that process has ended, so that its pid may be another's now
	close func()
}

// admit reports why a command may not ask: the process is another user's, and not
// root's, or refuse has a reason.
func admit(c net.Conn, refuse func(pid int) error) error {
	p, err := peerOf(c)
	if err != nil {
		return fmt.Errorf("it cannot be told who asks: %w", err)
	}
	defer p.close()
	if me := os.Geteuid(); p.uid > 0 && p.uid != me {
		return fmt.Errorf("user %d asks a holdfast that runs as user %d; run the command as that user", p.uid, me)
	}
	if refuse == nil || p.pid == 0 {
		return nil
	}
	if err := refuse(p.pid); err != nil {
		return err
	}
	if p.gone() {
		return errors.New("the process that asked has ended")
	}
	return nil
}

// checkServer reports why an answer is not to be believed: who listens is neither
// this user nor root nor the owner of the data directory.
func checkServer(c net.Conn, dir string) error {
	p, err := peerOf(c)
	if err != nil {
		return fmt.Errorf("it cannot be told who answers: %w", err)
	}
	defer p.close()
	if p.uid <= 0 || p.uid == os.Geteuid() || p.uid == ownerOf(dir) {
		return nil
	}
	return fmt.Errorf("the control socket in %s is served by user %d, whose directory it is not", dir, p.uid)
}
