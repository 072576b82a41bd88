// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Key is one key of the ring that all nodes share.
type Key struct {
	Secret  []byte    `json:"secret"` // 32 bytes
	Created time.Time `json:"created"`
	// From is when nodes begin to seal with it, by when all of them can open.
	From time.Time `json:"from"`
	// Expires is when what it sealed is no longer opened; zero while it may seal.
	Expires time.Time `json:"expires,omitzero"`
	// Sealed is how many tokens nodes have said they sealed with it.
	Sealed uint64 `json:"sealed,omitzero"`
}

// Keys is the replicated key ring. It is safe for concurrent use.
type Keys struct {
	kv    *kv
	wrap  cipher.AEAD // nil stores the ring as it is
	older cipher.AEAD // opens a ring that was stored before secrets were stretched

	mu       sync.Mutex
	rev      uint64
	keys     []Key // newest first
	watchers map[int]func([]Key)
	next     int

	telling sync.Mutex // one round of watchers at a time; never locked under mu
}

const (
	settingRing = "ring"
	keyBytes    = 32
	// maxKeys bounds the ring; more rotations than that in the life of a ticket
	// are a mistake.
	maxKeys = 64
	// keyLead is how long a new key is only opened with, so that no node ever gets
	// a ticket whose key it has not heard of.
	keyLead = 5 * time.Second
)

func newKeys(t *kv, secret string) (*Keys, error) {
	k := &Keys{kv: t, watchers: map[int]func([]Key){}}
	if secret == "" {
		return k, nil
	}
	var err, olderErr error
	k.wrap, err = stretch(secret).wrapper()
	k.older, olderErr = unstretched(secret).wrapper()
	if err := errors.Join(err, olderErr); err != nil {
		return nil, fmt.Errorf("protect the key ring: %w", err)
	}
	return k, nil
}

// All returns the keys that have not expired, newest first; none before Init.
func (k *Keys) All() []Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return live(k.keys, time.Now())
}

func live(keys []Key, now time.Time) []Key {
	var list []Key
	for _, key := range keys {
		if key.Expires.IsZero() || now.Before(key.Expires) {
			list = append(list, key)
		}
	}
	return list
}

// Watch calls f with the ring now and after each change, never twice at once,
// until stop is called. f must not block.
func (k *Keys) Watch(f func([]Key)) (stop func()) {
	k.mu.Lock()
	id := k.next
	k.next++
	k.watchers[id] = f
	k.mu.Unlock()
	k.tell()
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.watchers, id)
	}
}

func (k *Keys) tell() {
	k.telling.Lock()
	defer k.telling.Unlock()
	k.mu.Lock()
	keys := live(k.keys, time.Now())
	watchers := make([]func([]Key), 0, len(k.watchers))
	for _, f := range k.watchers {
		watchers = append(watchers, f)
	}
	k.mu.Unlock()
	for _, f := range watchers {
		f(keys)
	}
}

// Init makes sure that the ring has a key: first when it has none, or a random
// one when first is nil. Nodes may call it at the same time: a write whose outcome
// is not known is looked at again until ctx ends, as whoever came first will do.
func (k *Keys) Init(ctx context.Context, first []byte) error {
	for {
		err := k.update(ctx, func(keys []Key, now time.Time) (next []Key, changed bool) {
			if len(keys) > 0 {
				return nil, false
			}
			return []Key{newKey(first, now, now)}, true
		})
		if !errors.Is(err, ErrNoQuorum) && !errors.Is(err, errConflict) {
			return err
		}
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return err
		}
	}
}

// Rotate adds a key that nodes seal with from in a few seconds on. Those before it
// open for keep longer, or as long as they would have if that is less, which Rotate
// returns; sessions that need longer are lost, and that may be its purpose.
func (k *Keys) Rotate(ctx context.Context, keep time.Duration) (until time.Time, err error) {
	err = k.update(ctx, func(keys []Key, now time.Time) (next []Key, changed bool) {
		next, until = rotated(keys, now, keep)
		return next, true
	})
	return until, err
}

// rotated is a ring with a new key.
func rotated(keys []Key, now time.Time, keep time.Duration) (next []Key, until time.Time) {
	from := now.Add(keyLead)
	until = from.Add(keep)
	for i := range keys {
		if keys[i].Expires.IsZero() || keys[i].Expires.After(until) {
			keys[i].Expires = until.UTC()
		}
	}
	return slices.Insert(keys, 0, newKey(nil, now, from)), until
}

// KeyLimits say when a key is old. A zero Age means that none is by age.
type KeyLimits struct {
	Age    time.Duration
	Sealed uint64        // tokens, by all nodes together
	Keep   time.Duration // how long a key opens after its time: the life of what it has sealed
}

// Old reports whether the newest key of a ring is due to be replaced. One whose time
// has not come is not, so that several nodes replace a key once.
func (l *KeyLimits) Old(keys []Key, now time.Time) bool {
	if len(keys) == 0 || now.Before(keys[0].From) {
		return false
	}
	return l.Age > 0 && now.Sub(keys[0].Created) >= l.Age || l.Sealed > 0 && keys[0].Sealed >= l.Sealed
}

// Maintain notes that this node has sealed so many tokens more with a key, and
// replaces the newest key if it is old by now. All nodes may call it: the store
// decides which of them does it. It writes nothing when there is nothing to note.
func (k *Keys) Maintain(ctx context.Context, secret []byte, sealed uint64, l KeyLimits) (replaced bool, err error) {
	err = k.update(ctx, func(keys []Key, now time.Time) (next []Key, changed bool) {
		for i := range keys {
			if sealed > 0 && bytes.Equal(keys[i].Secret, secret) {
				keys[i].Sealed += sealed
				changed = true
			}
		}
		if replaced = l.Old(keys, now); replaced {
			keys, _ = rotated(keys, now, l.Keep)
		}
		return keys, changed || replaced
	})
	return replaced && err == nil, err
}

// adopt adds keys of another ring that only open, so that what they sealed stays valid.
func (k *Keys) adopt(ctx context.Context, others []Key) (added int, err error) {
	err = k.update(ctx, func(keys []Key, _ time.Time) ([]Key, bool) {
		added = 0
		for _, other := range others {
			if slices.ContainsFunc(keys, func(key Key) bool { return bytes.Equal(key.Secret, other.Secret) }) {
				continue
			}
			if len(keys) > 0 && other.Expires.IsZero() {
				other.Expires = time.Now().Add(adoptedLife)
			}
			keys = append(keys, other)
			added++
		}
		return keys, added > 0
	})
	return added, err
}

// adoptedLife is how long tickets of an imported ring are opened.
const adoptedLife = 30 * 24 * time.Hour

func newKey(secret []byte, now, from time.Time) Key {
	if secret == nil {
		secret = make([]byte, keyBytes)
		rand.Read(secret)
	}
	return Key{Secret: bytes.Clone(secret), Created: now.UTC(), From: from.UTC()}
}

// update changes the ring by compare-and-set, unless change says that nothing has.
func (k *Keys) update(ctx context.Context, change func([]Key, time.Time) (next []Key, changed bool)) error {
	for range putAttempts {
		stored, keys, err := k.read(ctx)
		if err != nil {
			return err
		}
		next, changed := change(slices.Clone(keys), time.Now())
		if !changed {
			return nil
		}
		next = live(next, time.Now())
		if len(next) > maxKeys {
			return fmt.Errorf("the key ring has %d keys that have not expired", maxKeys)
		}
		data, err := k.encode(next)
		if err != nil {
			return err
		}
		stored.key, stored.data = settingRing, data // over what was read, and after its writes
		stored, _, err = k.kv.put(ctx, stored, 0)
		if errors.Is(err, errConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("write the key ring: %w", err)
		}
		k.apply(stored)
		return nil
	}
	return fmt.Errorf("write the key ring: %w", errConflict)
}

// read asks the leader for the ring.
func (k *Keys) read(ctx context.Context) (value, []Key, error) {
	v, err := k.kv.last(ctx, settingRing)
	switch {
	case errors.Is(err, errAbsent):
		return value{}, nil, nil
	case err != nil:
		return value{}, nil, fmt.Errorf("read the key ring: %w: %w", ErrNoQuorum, err)
	}
	keys, err := k.decode(v.data)
	return v, keys, err
}

func (k *Keys) encode(keys []Key) ([]byte, error) {
	data, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode the key ring: %w", err)
	}
	if k.wrap != nil {
		data = k.wrap.Seal(nil, nil, data, []byte(settingRing))
	}
	return data, nil
}

func (k *Keys) decode(data []byte) ([]Key, error) {
	if k.wrap != nil {
		plain, err := k.wrap.Open(nil, nil, data, []byte(settingRing))
		if err != nil { // the next change of the ring wraps it anew
			plain, err = k.older.Open(nil, nil, data, []byte(settingRing))
		}
		if err != nil {
			return nil, fmt.Errorf("the key ring does not open with this secret: %w", ErrSecret)
		}
		data = plain
	}
	var keys []Key
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, fmt.Errorf("decode the key ring: %w", err)
	}
	return keys, nil
}

// Refresh brings this node's ring up to date with the store's leader. It fails when
// there is none to ask.
func (k *Keys) Refresh(ctx context.Context) error {
	v, err := k.kv.sure(ctx, settingRing)
	switch {
	case errors.Is(err, errAbsent):
		return nil
	case err != nil:
		return fmt.Errorf("read the key ring: %w: %w", ErrNoQuorum, err)
	}
	k.apply(v)
	return nil
}

// apply takes a change from the feed.
func (k *Keys) apply(v value) {
	if v.key != settingRing {
		return
	}
	keys, err := k.decode(v.data)
	k.mu.Lock()
	newer := err == nil && v.rev > k.rev
	if newer {
		k.rev, k.keys = v.rev, keys
	}
	k.mu.Unlock()
	if newer {
		k.tell()
	}
}
