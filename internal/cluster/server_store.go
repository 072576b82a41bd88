// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// storeError returns what the server itself says is wrong with its store.
func (e *embedded) storeError() error {
	if !e.srv.JetStreamEnabled() {
		return errShutDown
	}
	for _, said := range e.srv.Healthz(&natsd.HealthzOptions{Details: true}).Errors {
		if saysWriteFailed(said.Error) {
			return errors.New(said.Error)
		}
	}
	return nil
}

const (
	// closeTimeout bounds how long the store may take to close: its logs are synced.
	closeTimeout = 30 * time.Second
	// closeStep is the time between two looks at whether it has.
	closeStep = 20 * time.Millisecond
)

// errStuck is a store that does not close. Who goes on then has two at once.
var errStuck = fmt.Errorf("the store does not close within %v", closeTimeout)

// reopen closes the store and opens it again from what is on the disk, as a start
// would. Routes and connections stay. The server keeps its first write error for as
// long as its store is open, so nothing less ends it.
func (e *embedded) reopen() error {
	e.changing.Lock()
	defer e.changing.Unlock()
	if err := e.srv.ShutdownJetStream(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	for began := time.Now(); !e.storeClosed(); {
		if time.Since(began) > closeTimeout {
			return errStuck
		}
		time.Sleep(closeStep)
	}
	next := e.opts.Clone()
	next.JetStream = true
	if err := e.srv.ReloadOptions(next); err != nil { // opens a store that should be open and is not
		return fmt.Errorf("open the store: %w", err)
	}
	e.opts = next
	if !e.srv.JetStreamEnabled() {
		return errShutDown // the cause was reported
	}
	return nil
}

// storeClosed reports whether nothing of the store is left, the logs of its raft
// groups included, when the server may be closing it by itself.
func (e *embedded) storeClosed() bool {
	if e.srv.JetStreamConfig() != nil {
		return false
	}
	for _, account := range []string{natsd.DEFAULT_SYSTEM_ACCOUNT, natsd.DEFAULT_GLOBAL_ACCOUNT} {
		if groups := e.srv.Raftz(&natsd.RaftzOptions{AccountFilter: account}); groups != nil && len(*groups) > 0 {
			return false
		}
	}
	return true
}
