// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// TestSecrets holds which secrets are refused. "0123456789abcdef" is in use.
func TestSecrets(t *testing.T) {
	for _, good := range []string{
		"0123456789abcdef", testSecret, "9f2c41d07be35a88", "YONxV2B581YiQCIO", "kJ8vQ2mXz0+TtR5wLh3=", "ZQ4TNEHYV2MPLK7WB3XDACRG6U",
		"Tr0ub4dor&3-xkcd-936", "mud lantern orbit swan velvet",
	} {
		if err := CheckSecret(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for secret, words := range map[string]string{
		"":                        "0 bytes",
		"short":                   "5 bytes",
		"sixteenletters.":         "15 bytes",
		"aaaaaaaaaaaaaaaa":        "can be guessed",
		"0000000000000000":        "can be guessed",
		"abababababababababab":    "can be guessed",
		"1234567890123456":        "can be guessed",
		"passwordpassword":        "can be guessed",
		"Password12345678":        "can be guessed",
		"changeme-changeme":       "can be guessed",
		"holdfast-cluster-secret": "can be guessed",
		"internationalization":    "can be guessed",
		"extraordinarily!!!":      "can be guessed",
		"mysupersecretpassword":   "can be guessed",
		"production.gateway.2026": "can be guessed",
		"a secret of these tests": "can be guessed",
		"qwertyuiopasdfghqwerty":  "can be guessed",
		"aaaaaaaaaaaaaaaaaaaaaab": "can be guessed",
	} {
		if err := CheckSecret(secret); err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "holdfast secret") {
			t.Errorf("%q: %v (%.1f bits)", secret, err, guessBits(secret))
		}
	}
}

// TestNewSecret holds that the secrets made here pass the check, and that hardly any
// other random one is refused.
func TestNewSecret(t *testing.T) {
	refused := 0
	for range 10_000 {
		if s := NewSecret(); CheckSecret(s) != nil {
			t.Errorf("%q: %.1f bits", s, guessBits(s))
		}
		random := make([]byte, 16)
		rand.Read(random)
		for _, s := range []string{hex.EncodeToString(random), base64.StdEncoding.EncodeToString(random)} {
			if CheckSecret(s) != nil {
				refused++
			}
		}
	}
	if refused > 20 {
		t.Errorf("%d of 20,000 random secrets of 128 bits are refused", refused)
	}
}

// TestStretch holds that the masters of two secrets, and the keys from one, differ,
// and that none is derived from the secret as it is.
func TestStretch(t *testing.T) {
	a, b := stretch(testSecret), stretch(testSecret+"!")
	if bytes.Equal(a, b) || !bytes.Equal(a, stretch(testSecret)) || bytes.Equal(a, unstretched(testSecret)) {
		t.Error("masters")
	}
	seen := map[string]bool{}
	for _, m := range []master{a, b, unstretched(testSecret)} {
		for _, key := range []string{m.routePassword(), m.fingerprint("1"), m.fingerprint("2"), string(m.derive("key ring", 32))} {
			if seen[key] {
				t.Error("two keys are the same")
			}
			seen[key] = true
		}
	}
}

// TestUpgradedDirectory holds that a directory and a key ring from before secrets
// were stretched are taken over, and of another secret still refused.
func TestUpgradedDirectory(t *testing.T) {
	cfg := threeConfigs(t, t.TempDir())[0].withDefaults()
	old := mark{Format: 1, Mode: Clustered, Cluster: cfg.Cluster, Node: cfg.Name, ID: "x", Salt: "s", Secret: oldFingerprint("s", cfg.Secret)}
	data, err := json.Marshal(old)
	if err := errors.Join(err, os.MkdirAll(cfg.Dir, 0o700), os.WriteFile(filepath.Join(cfg.Dir, markFile), data, 0o600)); err != nil {
		t.Fatal(err)
	}
	other := cfg
	other.Secret += "!"
	for range 2 { // as it was, and rewritten
		if _, err := openDir(&other); !errors.Is(err, ErrOtherCluster) {
			t.Errorf("another secret: %v", err)
		}
		d, err := openDir(&cfg)
		if err := errors.Join(err, d.close()); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := readMark(cfg.Dir); err != nil || m.Format != markFormat || m.ID != "x" || m.Secret != stretch(cfg.Secret).fingerprint("s") {
		t.Errorf("the mark is %+v, %v", m, err)
	}
	before := &Keys{}
	if before.wrap, err = unstretched(cfg.Secret).wrapper(); err != nil {
		t.Fatal(err)
	}
	ring, err := before.encode([]Key{newKey(nil, time.Now(), time.Now())})
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]error{cfg.Secret: nil, other.Secret: ErrSecret} {
		k, err := newKeys(nil, secret)
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := k.decode(ring); !errors.Is(err, want) || (len(keys) == 1) != (want == nil) {
			t.Errorf("%d keys, %v, want %v", len(keys), err, want)
		}
	}
}

// TestUnstretchedRefused meets a node whose version derives its keys from the secret
// as it is, over TLS, where nothing else is said: both ways it is told apart from one
// with another secret.
func TestUnstretchedRefused(t *testing.T) {
	old, err := unstretched(testSecret).authority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := old.issue()
	if err != nil {
		t.Fatal(err)
	}
	encryption, err := secretTLS(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	theirs := encryption.Clone()
	theirs.Certificates, theirs.VerifyConnection = []tls.Certificate{cert}, nil
	l := listenTLS(t, theirs)
	cfg := Config{Name: "n1", Secret: testSecret, Encrypt: true, Log: slog.New(slog.DiscardHandler)}.withDefaults()
	if err := preflight(bounded(t), &cfg, []string{l.Addr().String()}); !errors.Is(err, ErrIncompatible) || !strings.Contains(err.Error(), "stop all nodes") {
		t.Errorf("a newcomer is told %v", err)
	}
	l = listenTLS(t, encryption)
	theirs.InsecureSkipVerify = true
	conn, err := tls.Dial("tcp", l.Addr().String(), theirs)
	if err == nil {
		_, err = io.ReadAll(conn) // with TLS 1.3 a client learns of a refusal here
		conn.Close()
	}
	if err == nil {
		t.Error("an older newcomer was let in")
	}
	if err := <-l.refused; !errors.Is(err, ErrIncompatible) {
		t.Errorf("of an older newcomer the log says %v", err)
	}
}

// tlsListener shakes hands with each connection and keeps why the last one failed.
type tlsListener struct {
	net.Listener
	refused chan error // capacity 1
}

func listenTLS(t *testing.T, cfg *tls.Config) *tlsListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := &tlsListener{l, make(chan error, 1)}
	done := make(chan struct{})
	go func() { // the cleanup waits for it
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if err := tls.Server(conn, cfg).HandshakeContext(t.Context()); err != nil {
				select {
				case out.refused <- err:
				default:
				}
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return out
}
