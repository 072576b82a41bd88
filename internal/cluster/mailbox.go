// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/nats-io/nats.go"
)

// A mailbox keeps messages for a process that cannot be reached: it may be stopped
// for a while, or cut off from the sender alone. The messages are events of the
// replicated log, so they are bounded with it, in age and bytes.

// maxLetters is how many messages of one mailbox Collect finds.
const maxLetters = maxDirectBatch

// mailboxPrefix begins the names of mailboxes among those of event streams, which
// begin with the id of a session.
const mailboxPrefix = "mailbox_"

// mailboxStream returns the name of a mailbox among event streams.
func mailboxStream(mailbox string) (string, error) {
	if !streamKey.MatchString(mailbox) || !streamKey.MatchString(mailboxPrefix+mailbox) {
		return "", fmt.Errorf("mailbox %q: not a name", mailbox)
	}
	return mailboxPrefix + mailbox, nil
}

// Keep puts a message into a mailbox, whose name is of letters, digits, '_' and '-'.
// It returns when a majority has the message.
func (c *Cluster) Keep(ctx context.Context, mailbox string, message []byte) error {
	stream, err := mailboxStream(mailbox)
	if err != nil {
		return err
	}
	number := strconv.FormatUint(rand.Uint64(), 10)
	_, _, err = c.events.kv.put(ctx, value{key: stream + "." + number, data: message}, 0)
	if err != nil {
		return fmt.Errorf("keep a message: %w", err)
	}
	return nil
}

// Collect returns the messages in a mailbox by their numbers, for as long as they
// are kept: it takes none out.
func (c *Cluster) Collect(ctx context.Context, mailbox string) (map[uint64][]byte, error) {
	stream, err := mailboxStream(mailbox)
	if err != nil {
		return nil, err
	}
	messages := map[uint64][]byte{}
	query := map[string]any{"multi_last": []string{c.events.prefix + stream + ".*"}, "batch": maxLetters}
	_, err = directBatch(ctx, c.conn, c.events.kv.stream, query, func(m *nats.Msg) error {
		v, err := c.events.kv.value(m)
		if err != nil {
			return err
		}
		number, err := eventNumber(v.key)
		if err != nil {
			return errors.New("a message is damaged")
		}
		messages[number] = v.data
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read a mailbox: %w", err)
	}
	return messages, nil
}
