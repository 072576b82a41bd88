// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// mustRefuse holds that Open fails with the error and the words.
func mustRefuse(t *testing.T, cfg Config, want error, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := Open(ctx, cfg)
	if err == nil {
		c.Close()
		t.Fatal("opened")
	}
	if want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), words) {
		t.Errorf("refused with %q; want %v, with %q", err, want, words)
	}
}

func TestBadConfig(t *testing.T) {
	good := Config{Name: "n1", Dir: t.TempDir(), Listen: "127.0.0.1:1", Join: []string{"127.0.0.1:2", "127.0.0.1:3"}, Secret: testSecret}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for words, change := range map[string]func(*Config){
		"at least three nodes": func(c *Config) { c.Join = nil },
		"node name":            func(c *Config) { c.Name = "a b" },
		"at random":            func(c *Config) { c.Secret = "short" },
		"can be guessed":       func(c *Config) { c.Secret = "holdfast-cluster-secret" },
		"needs a secret":       func(c *Config) { c.Secret = "" },
		"listen":               func(c *Config) { c.Listen = "" },
		"host:port":            func(c *Config) { c.Join[0] = "localhost" },
		"external":             func(c *Config) { c.External = "nats://localhost" },
		"compression":          func(c *Config) { c.Compression = "zip" },
		"directory":            func(c *Config) { c.Dir = "" },
	} {
		c := good
		c.Join = append([]string{}, good.Join...)
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want a word about %q", err, words)
		}
	}
}

// TestTooFewNamed: who is named fewer than three nodes, none of which belongs to a
// cluster that runs, is refused.
func TestTooFewNamed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	good := Config{Name: "n1", Dir: t.TempDir(), Listen: freePorts(t, 1)[0], Join: freePorts(t, 2), Secret: testSecret}
	one := good
	one.Join = one.Join[:1]
	mustRefuse(t, one, nil, "at least three nodes")
	two := good // a wildcard address does not count as one more
	_, port, _ := net.SplitHostPort(good.Listen)
	two.Listen = "0.0.0.0:" + port
	mustRefuse(t, two, nil, "at least three nodes")
}

func TestDirectoryRefused(t *testing.T) {
	base := threeConfigs(t, t.TempDir())[0]
	base = base.withDefaults()
	claim := func(cfg Config) error {
		d, err := openDir(&cfg)
		_ = d.close()
		return err
	}
	with := func(change func(*Config)) Config {
		c := base
		change(&c)
		return c
	}
	if err := claim(base); err != nil {
		t.Fatal(err)
	}
	if err := claim(base); err != nil {
		t.Errorf("the same again: %v", err)
	}
	for words, cfg := range map[string]Config{
		"node":           with(func(c *Config) { c.Name = "other" }),
		"cluster":        with(func(c *Config) { c.Cluster = "other" }),
		"secret":         with(func(c *Config) { c.Secret = testSecret + "!" }),
		"single node":    with(func(c *Config) { c.Listen, c.Join = "", nil }),
		"not \"external": with(func(c *Config) { c.Listen, c.Join, c.External = "", nil, "nats://x" }),
	} {
		if strings.HasPrefix(words, "not") {
			words = "for mode"
			cfg.Listen = ""
		}
		if err := claim(cfg); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
	alone := Config{Dir: t.TempDir()}.withDefaults()
	if err := claim(alone); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, with(func(c *Config) { c.Dir = alone.Dir }), ErrDirectory, "grow it")
	d, err := openDir(&alone)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	mustRefuse(t, alone, ErrDirectory, "another holdfast")
	if err := os.WriteFile(filepath.Join(base.Dir, markFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, base, ErrDirectory, "damaged")
}

// TestNewcomerRefused holds that who cannot join is told why before its server starts.
func TestNewcomerRefused(t *testing.T) {
	nodes := three(t)
	newcomer := nodes[0].cfg
	newcomer.Name, newcomer.Dir, newcomer.Listen = "n4", t.TempDir(), freePorts(t, 1)[0]
	with := func(change func(*Config)) Config {
		c := newcomer
		c.Dir = t.TempDir()
		change(&c)
		return c
	}
	mustRefuse(t, with(func(c *Config) { c.Name = "n2" }), ErrNameTaken, "n2")
	mustRefuse(t, with(func(c *Config) { c.Secret = "another secret, of 128 bits and more" }), ErrSecret, "")
	mustRefuse(t, with(func(c *Config) { c.Cluster = "staging" }), ErrOtherCluster, "holdfast")
	mustRefuse(t, with(func(c *Config) { c.Encrypt = true }), nil, "TLS")
	mustRefuse(t, with(func(c *Config) { c.Listen = nodes[1].cfg.Listen }), nil, "listen")
	future := serverInfo{Name: "n9", Cluster: wireName("holdfast") + "0"}
	if err := newcomer.accept("x", &future); !errors.Is(err, ErrIncompatible) {
		t.Errorf("another protocol: %v", err)
	}
}

// TestNameClash holds that of two nodes with one name the younger fails, and that
// the others keep the elder.
func TestNameClash(t *testing.T) {
	c := openAlone(t, t.TempDir())
	elder := c.members.self
	elder.Instance, elder.Started = "other", elder.Started.Add(-time.Second)
	younger := elder
	younger.Started = c.members.self.Started.Add(time.Second)
	c.members.clash(&younger)
	if c.Err() != nil {
		t.Errorf("the elder fails: %v", c.Err())
	}
	c.members.clash(&elder)
	<-c.Failed()
	if !errors.Is(c.Err(), ErrNameTaken) || !errors.Is(c.Ready(), ErrNameTaken) {
		t.Errorf("the younger: %v", c.Err())
	}
	now := time.Now()
	first := heartbeat{Name: "x", Instance: "a", State: Serving, Started: now}
	second := heartbeat{Name: "x", Instance: "b", State: Serving, Started: now.Add(time.Second)}
	c.members.hear(&first, now)
	alive, _ := c.members.life("x")
	c.members.hear(&second, now.Add(100*time.Millisecond))
	if _, instance := c.members.life("x"); instance != "a" || alive.Err() != nil {
		t.Error("a newcomer with a taken name replaced its bearer")
	}
	c.members.hear(&second, now.Add(2*time.Second)) // the first has fallen silent: a restart
	if _, instance := c.members.life("x"); instance != "b" || alive.Err() == nil {
		t.Error("a restarted node was not believed")
	}
}

// TestGrow takes what a single node holds into a cluster of three, twice.
func TestGrow(t *testing.T) {
	ctx, dir := bounded(t), t.TempDir()
	configs := threeConfigs(t, dir)
	configs[0].Grow = true
	alone := openAlone(t, configs[0].Dir)
	if err := alone.Keys().Init(ctx, nil); err != nil {
		t.Fatal(err)
	}
	key := alone.Keys().All()[0]
	var ids []session.ID
	for range 700 {
		id := session.NewID()
		ids = append(ids, id)
		if _, err := alone.Sessions().Put(ctx, id, testRecord("test://"+id.String())); err != nil {
			t.Fatal(err)
		}
	}
	kept := task.Task{
		ID: "T1", Owner: task.Owner{Principal: "anna", Era: mcp.Modern}, Status: task.Completed,
		Created: time.Now(), Updated: time.Now(), TTL: time.Hour, Revision: 4,
	}
	kept.Result.Body = []byte(`{"content":[]}`)
	if err := alone.Tasks().Create(ctx, kept, 10, 10); err != nil {
		t.Fatal(err)
	}
	alone.Close()
	nodes := openAll(t, configs)
	if !nodes[0].Growing() || nodes[1].Growing() {
		t.Error("the node that grows does not know it")
	}
	done, err := nodes[0].ImportAlone(ctx, configs[0].Dir)
	if err != nil || done != (Imported{Sessions: len(ids), Tasks: 1, Keys: 1}) {
		t.Fatalf("import: %+v, %v", done, err)
	}
	if nodes[0].Growing() {
		t.Error("growing after the import")
	}
	again, err := nodes[0].ImportAlone(ctx, configs[0].Dir)
	if err != nil || again != (Imported{Existing: len(ids) + 1}) {
		t.Errorf("import again: %+v, %v", again, err)
	}
	for _, n := range nodes {
		eventually(t, 5*time.Second, func() error {
			for _, id := range ids {
				if r, err := n.Sessions().Get(ctx, id); err != nil || r.Subscriptions[0] != "test://"+id.String() {
					return errors.Join(err, errors.New("session not there"))
				}
			}
			return nil
		})
		if got, err := n.Tasks().Get(ctx, "T1"); err != nil || got.Revision != 4 || string(got.Result.Body) != `{"content":[]}` {
			t.Errorf("task: %+v, %v", got, err)
		}
		if all := n.Keys().All(); len(all) != 1 || string(all[0].Secret) != string(key.Secret) {
			t.Errorf("%s has another ring", n.Name())
		}
	}
	for _, n := range nodes {
		n.Close()
	}
	mustRefuse(t, Config{Dir: configs[0].Dir}, ErrDirectory, "cluster")
	configs[0].Grow = false
	openAll(t, configs)
}

// TestExternal uses the server of one node as the NATS cluster of another.
func TestExternal(t *testing.T) {
	ctx := bounded(t)
	host := three(t)[0]
	cfg := Config{
		Name: "guest", Cluster: "guests", Secret: testSecret, Log: testLog(),
		External: "nats://" + host.server.password + "@" + host.server.srv.Addr().String(),
	}
	c := openAll(t, []Config{cfg})[0]
	id := session.NewID()
	if _, err := c.Sessions().Put(ctx, id, testRecord("a")); err != nil {
		t.Fatal(err)
	}
	cfg.Name = "other"
	d := openAll(t, []Config{cfg})[0]
	if _, err := d.Sessions().Get(ctx, id); err != nil {
		t.Error(err)
	}
	if _, err := host.Sessions().Get(ctx, id); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the host sees the guest's session: %v", err)
	}
	eventually(t, time.Second, func() error {
		if len(c.Members()) != 2 {
			return errors.New("the guests do not see each other")
		}
		return nil
	})
	if err := c.Ready(); err != nil {
		t.Error(err)
	}
}

// TestEncrypted runs a cluster over TLS from the secret, its nodes found by name,
// and holds that another secret does not get in.
func TestEncrypted(t *testing.T) {
	configs := threeConfigs(t, t.TempDir())
	for i := range configs {
		configs[i].Encrypt = true
	}
	nodes := openAll(t, configs)
	if _, err := nodes[0].Sessions().Put(bounded(t), session.NewID(), testRecord("a")); err != nil {
		t.Error(err)
	}
	stranger := configs[0]
	stranger.Name, stranger.Dir, stranger.Listen, stranger.Secret = "n4", t.TempDir(), freePorts(t, 1)[0], testSecret+"!"
	mustRefuse(t, stranger, ErrSecret, "")
	stranger.Encrypt, stranger.Secret = false, testSecret
	stranger.Dir = t.TempDir()
	mustRefuse(t, stranger, nil, "TLS")
}

func TestNamesResolved(t *testing.T) {
	calls := 0
	cfg := Config{Name: "n1", Dir: t.TempDir(), Listen: "0.0.0.0:6222", Secret: testSecret, Join: []string{"dns:nodes.example:6222"}}.withDefaults()
	cfg.Resolve = func(_ context.Context, host string) ([]string, error) {
		if calls++; calls == 1 {
			return []string{"127.71.0.1"}, nil
		}
		return []string{"127.71.0.3", "127.71.0.1", "127.71.0.2", "127.71.0.1"}, nil
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	seeds, err := cfg.awaitSeeds(ctx, nil)
	if err != nil || strings.Join(seeds, " ") != "127.71.0.1:6222 127.71.0.2:6222 127.71.0.3:6222" {
		t.Errorf("%q, %v", seeds, err)
	}
	cancel()
	cfg.Resolve = func(context.Context, string) ([]string, error) { return nil, errors.New("no such name") }
	if _, err := cfg.awaitSeeds(ctx, nil); err == nil || !strings.Contains(err.Error(), "no such name") {
		t.Errorf("a name that does not resolve: %v", err)
	}
}
