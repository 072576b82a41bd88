// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/control"
)

// clusterFile writes a configuration for one node and returns its path.
func clusterFile(t *testing.T, name, listen string, join []string, rest string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".yaml")
	text := fmt.Sprintf("cluster:\n  name: %s\n  listen: %q\n  join: [%s]\n%s", name, listen, strings.Join(join, ", "), rest)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestClusterFromFile runs three nodes as their files say, over TLS from the
// secret and from certificates, and holds that who uses none is refused.
func TestClusterFromFile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Setenv(envSecret, testSecret)
	for name, rest := range map[string]string{
		"secret":       "  compression: off\n  events: {age: 1m}\n",
		"certificates": "  tls: " + certificates(t) + "\n  sync: always\n",
	} {
		t.Run(name, func(t *testing.T) {
			join := []string{freeAddr(t), freeAddr(t), freeAddr(t)}
			var all []*served
			dir := t.TempDir()
			for i, listen := range join {
				file := clusterFile(t, fmt.Sprint("n", i), listen, join, rest)
				all = append(all, beginServing(t, "--config", file, "--drain", "0", "--data", filepath.Join(dir, fmt.Sprint(i))))
			}
			for _, s := range all {
				s.await(t)
			}
			poll(t, "the second node shows all as ready", func() bool { // it hears of the others a moment later
				all := asked[control.Cluster](t, "nodes", "--json", "--data", filepath.Join(dir, "1"))
				list := all.Nodes
				if n, known := all.MayLose(); !known || n != 1 {
					return false
				}
				return len(list) == 3 && list[2].Counts && list[2].Stores == len(all.Stores) && list[1].Self && !slices.ContainsFunc(list, func(m control.Member) bool { return m.State != "ready" })
			})
			open := clusterFile(t, "open", freeAddr(t), join, "  tls: off\n")
			code, _, errs := run(t, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--config", open)
			if code != 1 || !strings.Contains(errs, "differ in whether TLS is used") {
				t.Errorf("a node without TLS: %d %s", code, errs)
			}
		})
	}
}

// TestNewSecret holds that each secret printed is another, and good enough.
func TestNewSecret(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		code, out, errs := run(t, "secret")
		s := strings.TrimSpace(out)
		if code != 0 || errs != "" || cluster.CheckSecret(s) != nil || seen[s] {
			t.Errorf("%d %q %q", code, out, errs)
		}
		seen[s] = true
	}
}

func TestBadCluster(t *testing.T) {
	join := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	file := clusterFile(t, "a", join[0], join, "  tls: {cert: /nowhere/a.pem, key: /nowhere/a.key, ca: /nowhere/ca.pem}\n")
	for _, tc := range []struct {
		name, secret string
		args         []string
		code         int
		says         string
	}{
		{"no secret", "", []string{"--config", file}, 2, envSecret},
		{"weak secret", "holdfast-cluster-secret", []string{"--config", file}, 2, "make one with holdfast secret"},
		{"no name", "x", []string{"--cluster", join[0]}, 2, "cluster.name"},
		{"no address", "x", []string{"--join", join[0]}, 2, "cluster.listen"},
		{"both", "x", []string{"--nats", "nats://127.0.0.1:1", "--cluster", join[0]}, 2, "--nats"},
		{"no certificate", testSecret, []string{"--config", file}, 1, "/nowhere/a.pem"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Setenv(envSecret, tc.secret)
			code, _, errs := run(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, tc.args...)...)
			if code != tc.code || !strings.Contains(errs, tc.says) {
				t.Errorf("%d %q; want %d, %q", code, errs, tc.code, tc.says)
			}
		})
	}
}

// certificates makes an authority and one certificate for nodes on loopback, and
// returns what the configuration says of them.
func certificates(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	node := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	authorityKey, nodeKey := newKey(t), newKey(t)
	key, err := x509.MarshalPKCS8PrivateKey(nodeKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem":   {Type: "CERTIFICATE", Bytes: signed(t, authority, authority, authorityKey, authorityKey)},
		"node.pem": {Type: "CERTIFICATE", Bytes: signed(t, node, authority, nodeKey, authorityKey)},
		"node.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("{cert: %s/node.pem, key: %s/node.key, ca: %s/ca.pem}", dir, dir, dir)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t *testing.T, c, by *x509.Certificate, key, with *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), with)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestSecretLeavesTheEnvironment: what is started later cannot inherit it.
func TestSecretLeavesTheEnvironment(t *testing.T) {
	t.Setenv(envSecret, "a secret of these tests")
	env := &Env{Getenv: os.LookupEnv, Unsetenv: os.Unsetenv}
	if s, _, err := secret(env, slog.New(slog.DiscardHandler)); s != "a secret of these tests" || err != nil {
		t.Errorf("secret: %q, %v", s, err)
	}
	if s, ok := os.LookupEnv(envSecret); ok {
		t.Errorf("the variable is still there: %q", s)
	}
}
