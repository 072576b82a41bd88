// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/node"
)

// Config says what a Node serves. The zero Config is a node without servers
// that listens on 127.0.0.1:8080.
type Config struct {
	// Listen is the TCP address that Run serves on, host:port. Empty means the
	// configuration file's, or else 127.0.0.1:8080.
	Listen string
	// DataDir keeps what outlives the process: keys, and with them sessions. One
	// node uses it at a time. Empty means the configuration file's, or else the
	// user's own, such as ~/.local/state/holdfast.
	DataDir string
	// ConfigFile is a file with servers, Holdfast's own or a client's, as for holdfast
	// serve --config. A server whose entry has a mistake is down. Empty means none.
	ConfigFile string
	// Name and Version are what the node calls itself to clients. Empty means
	// holdfast and no particular version.
	Name, Version string
	// Log is where the node and its servers log; nil means slog.Default.
	Log *slog.Logger
}

// settings turns c into what the node is built of, and reports every mistake in
// the configuration file.
func (c Config) settings() (node.Config, error) {
	cfg := node.Config{File: config.Default(), Data: c.DataDir, Name: c.Name, Version: c.Version, Log: c.Log}
	if cfg.Version == "" {
		cfg.Version = "0.0.0"
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if c.ConfigFile != "" {
		file, err := config.Load(c.ConfigFile, os.LookupEnv)
		if err != nil {
			return cfg, err
		}
		cfg.File = *file
	}
	cfg.Cluster.Cluster = cfg.File.Cluster
	if !cfg.Cluster.Alone() {
		return cfg, fmt.Errorf("%s: cluster: a node inside another program is alone; leave out listen and nats, or run holdfast serve", cfg.File.File)
	}
	for _, notice := range cfg.File.Notices {
		cfg.Log.Warn(notice)
	}
	for _, fault := range cfg.File.Faults { // the node says which servers these cost
		cfg.Log.Error(fault)
	}
	if c.Listen != "" {
		if err := config.CheckListen(c.Listen); err != nil {
			return cfg, fmt.Errorf("Config.Listen: %w", err)
		}
		cfg.File.Listen = c.Listen
	}
	if cfg.Data == "" {
		cfg.Data = cfg.File.Data
	}
	var err error
	if cfg.Data == "" {
		cfg.Data, err = node.DefaultData()
	}
	return cfg, err
}
