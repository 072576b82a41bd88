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
	config, listen, data string
	hosts                []string // that requests may name, of --allow-host
	notice               time.Duration
	stdio, debug         bool
	cluster              clusterFlags
}

func serve(ctx context.Context, env *Env, args []string) error {
	var f serveFlags
	fs := flags("serve")
	fs.StringVar(&f.config, "config", "", "")
	fs.StringVar(&f.listen, "listen", "", "")
	fs.StringVar(&f.data, "data", "", "")
	fs.Func("allow-host", "", f.allowHost)
	fs.StringVar(&f.cluster.node, "node", "", "")
	fs.StringVar(&f.cluster.listen, "cluster", "", "")
	fs.StringVar(&f.cluster.advertise, "advertise", "", "")
	fs.StringVar(&f.cluster.join, "join", "", "")
	fs.StringVar(&f.cluster.nats, "nats", "", "")
	fs.DurationVar(&f.notice, "drain", config.NoticeDefault, "")
	fs.BoolVar(&f.stdio, "stdio", false, "")
	fs.BoolVar(&f.debug, "debug", false, "")
	if err := parse(fs, args, 0, 0); err != nil {
		return err
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
	level := slog.LevelInfo
	if f.debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(logTo(env.Err), &slog.HandlerOptions{Level: level}))
	cfg := node.Config{File: config.Default(), Version: buildVersion(), Log: log, Demo: f.config == "", Adopt: env.Whole}
	if f.config != "" {
		file, err := config.Load(f.config, env.Getenv)
		if err != nil {
			return cfg, err
		}
		cfg.File = *file
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
	for _, notice := range cfg.File.Notices {
		log.Warn(notice)
	}
	if !f.stdio { // whose sessions end with the program that started it
		var err error
		if cfg.Cluster, err = f.cluster.load(env, log, cfg.File.Cluster); err != nil {
			return cfg, err
		}
	}
	return cfg, f.chooseData(&cfg)
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
