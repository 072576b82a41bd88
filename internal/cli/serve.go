// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/node"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	file         fileFlags
	listen, data string
	hosts        []string // that requests may name, of --allow-host
	notice       time.Duration
	stdio        bool
	cluster      clusterFlags
	log          logFlags
}

func serve(ctx context.Context, env *Env, args []string) error {
	var f serveFlags
	fs := flags("serve")
	f.file.add(fs)
	fs.StringVar(&f.listen, "listen", "", "serve HTTP on `ADDR`, host:port (default 127.0.0.1:8080, or what the file says)")
	fs.StringVar(&f.data, "data", "", "keep keys, sessions and tasks in `DIR` (default the user's own)")
	fs.Func("allow-host", "take requests that name this host, beside those that name this machine; `NAME,…`, and again for more", f.allowHost)
	fs.StringVar(&f.cluster.node, "node", "", "call this node `NAME` in a cluster; the same after each restart")
	fs.StringVar(&f.cluster.listen, "cluster", "", "be part of a cluster, and listen for its other nodes on `ADDR`, host:port")
	fs.StringVar(&f.cluster.advertise, "advertise", "", "where the other nodes reach `ADDR`, when that is not what --cluster says")
	fs.StringVar(&f.cluster.join, "join", "", "the nodes of the cluster, `HOST:PORT,…` or dns:NAME:PORT, the same list everywhere")
	fs.StringVar(&f.cluster.nats, "nats", "", "use a NATS cluster with JetStream at `URL` instead of an own one")
	fs.DurationVar(&f.notice, "drain", config.NoticeDefault, "go on accepting for `DURATION` after SIGTERM, until load balancers notice (default 2s in a cluster, 0 alone)")
	fs.BoolVar(&f.stdio, "stdio", false, "serve the program that started this one, over standard input and output")
	f.log.add(fs)
	if err := parse(fs, args, 0, 1); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError{"got 1 arguments; name the file with --config"}
	}
	f.file.named = f.stdio // a file that is found could have this very command in it, and that would start another, and so on
	if f.stdio && f.file.path == fromInput {
		return usageError{"--config - reads standard input, which --stdio needs for the client; name a file"}
	}
	cfg, err := f.load(env)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	if env.Whole {
		defer keepServing(cfg.Log, f.stdio, end)()
	}
	if f.stdio {
		return serveStdio(ctx, env, cfg)
	}
	return serveHTTP(ctx, env, cfg)
}

// load reads the configuration and lets flags win over it.
func (f *serveFlags) load(env *Env) (node.Config, error) {
	log, err := f.log.logger(env.Err)
	if err != nil {
		return node.Config{}, err
	}
	cfg := node.Config{File: config.Default(), Version: buildVersion(), Log: log, Adopt: env.Whole}
	file, err := f.file.load(env)
	switch {
	case err != nil:
		return cfg, err
	case file == nil:
		cfg.Demo = true
	default:
		cfg.File = *file
		if f.file.path == "" {
			log.Info("serving the file in this directory; name another with --config", "file", file.File)
		}
		logRemarks(log, file)
		warnOfNone(log, file)
	}
	if f.listen != "" {
		if err := config.CheckListen(f.listen); err != nil {
			return cfg, usageError{fmt.Sprintf("--listen: %v", err)}
		}
		cfg.File.Listen = f.listen
	}
	cfg.File.AllowedHosts = append(cfg.File.AllowedHosts, f.hosts...)
	switch {
	case f.notice >= 0:
		cfg.File.Drain.Notice = f.notice
	case f.notice != config.NoticeDefault:
		return cfg, usageError{"--drain: want a duration such as 5s, or 0"}
	}
	if !f.stdio { // whose sessions end with the program that started it
		if cfg.Cluster, err = f.cluster.load(env, log, cfg.File.Cluster); err != nil {
			return cfg, err
		}
	}
	return cfg, f.chooseData(&cfg)
}

// warnOfNone says that a file has no server to serve.
func warnOfNone(log *slog.Logger, file *config.Config) {
	disabled := 0
	for i := range file.Servers {
		if !file.Servers[i].Disabled {
			return
		}
		disabled++
	}
	if disabled > 0 {
		log.Warn("no servers to serve: all are disabled", "file", file.File, "disabled", disabled)
		return
	}
	log.Warn("no servers to serve: the file has none under mcpServers", "file", file.File)
}

// allowHost takes one --allow-host, a list separated by commas.
func (f *serveFlags) allowHost(list string) error {
	for host := range strings.SplitSeq(list, ",") {
		normal, err := config.CheckHost(strings.TrimSpace(host))
		if err != nil {
			return err
		}
		f.hosts = append(f.hosts, normal)
	}
	return nil
}

func (f *serveFlags) chooseData(cfg *node.Config) (err error) {
	switch {
	case f.data != "":
		cfg.Data = f.data
	case cfg.File.Data != "":
		cfg.Data = cfg.File.Data
	default:
		if cfg.Data, err = node.DefaultData(); f.stdio {
			err = nil // it does without
		}
	}
	return err
}

// ballast is memory that is never touched and so never resident. It raises the
// heap size at which the collector first runs: with a live heap of a few MiB it
// would run every few hundred calls, for a tenth of their cost. A large heap is
// collected as ever.
const ballast = 16 << 20

func serveHTTP(ctx context.Context, env *Env, cfg node.Config) error {
	floor := make([]byte, ballast)
	defer runtime.KeepAlive(floor)
	l, err := node.Bind(cfg.File.Listen)
	if err != nil {
		return err
	}
	node.WarnIfExposed(l.Addr(), cfg.Log)
	n := node.New(cfg)
	defer context.AfterFunc(ctx, func() { cfg.Log.Info("stopping; a second Ctrl-C or SIGTERM ends at once") })()
	err = n.Serve(ctx, l, func() { announce(env.Out, l, cfg.Demo) })
	return errors.Join(err, n.Close())
}

// announce is the first thing a person sees: where it listens, and what to paste.
func announce(w io.Writer, l *node.Listener, demo bool) {
	url := l.URL
	fmt.Fprintf(w, "holdfast is listening on %s\n", url)
	if len(l.Others) > 0 {
		fmt.Fprintf(w, "from other machines: %s; by another name with --allow-host NAME\n", strings.Join(l.Others, ", "))
	}
	if demo {
		fmt.Fprint(w, "serving the built-in demo; name your servers with --config (holdfast init writes one)\n")
	}
	fmt.Fprintf(w, "\nPoint a client at it:\n\n  {\"mcpServers\": {\"holdfast\": {\"type\": \"http\", \"url\": %q}}}\n\nTry it:\n\n  holdfast tools %s\n\n", url, url)
}
