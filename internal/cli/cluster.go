// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/node"
	"github.com/holdfast-mcp/holdfast/internal/ownership"
)

// The variables that hold the secret which the nodes of a cluster share, or name
// a file that does. It is not a flag, since command lines are for all to see.
const (
	envSecret     = config.SecretVariable
	envSecretFile = config.SecretFileVariable
)

// clusterFlags say how this node joins others.
type clusterFlags struct {
	node, listen, advertise, join, nats string
}

// load lets the flags win over the file.
func (f *clusterFlags) load(env *Env, log *slog.Logger, file config.Cluster) (node.Cluster, error) {
	c := node.Cluster{Cluster: file}
	switch {
	case f.nats != "" && f.listen != "":
		return c, usageError{"--nats uses a NATS cluster that is there, --cluster makes one; give one of them"}
	case f.nats != "": // in place of the nodes' own
		c.NATS, c.Listen, c.Advertise, c.Join = f.nats, "", "", nil
	case f.listen != "":
		c.Listen, c.NATS = f.listen, ""
	}
	c.Name, c.Advertise = cmp.Or(f.node, c.Name), cmp.Or(f.advertise, c.Advertise)
	if f.join != "" {
		c.Join = nil
		for seed := range strings.SplitSeq(f.join, ",") {
			if seed = strings.TrimSpace(seed); seed != "" {
				c.Join = append(c.Join, seed)
			}
		}
	}
	if err := fits(&c); err != nil {
		return c, err
	}
	var err error
	if c.Secret, c.SecretFile, err = secret(env, log); err != nil {
		return c, err
	}
	if c.Listen != "" && c.Secret == "" {
		return c, usageError{"a cluster needs a secret that all nodes share; make one with holdfast secret, and set " + envSecret + " or " + envSecretFile}
	}
	if c.Secret != "" && !c.Alone() {
		if err := cluster.CheckSecret(c.Secret); err != nil {
			return c, usageError{err.Error()}
		}
	}
	return c, nil
}

// fits reports what is missing, whether flags or the file should have said it.
func fits(c *node.Cluster) error {
	switch {
	case c.Listen == "" && (len(c.Join) > 0 || c.Advertise != ""):
		return usageError{"to join others, --cluster ADDR (cluster.listen in the file) must say where they reach this node"}
	case c.Listen != "" && c.Name == "":
		return usageError{"a cluster needs --node NAME (cluster.name in the file), a name of its own that this node keeps over restarts"}
	case c.NATS == "" && c.Credentials != "":
		return usageError{"cluster.credentials are for a NATS cluster; name it with cluster.nats in the file, or --nats"}
	}
	return nil
}

// newSecret prints a secret for a cluster.
func newSecret(_ context.Context, env *Env, args []string) error {
	if err := parse(flags("secret"), args, 0, 0); err != nil {
		return err
	}
	fmt.Fprintln(env.Out, cluster.NewSecret())
	return nil
}

// maxSecretFile bounds the file with the secret, in bytes.
const maxSecretFile = 64 << 10

// secret reads the cluster's secret, says from which file if from one, and takes the variable that held it out of
// the environment, so that nothing started from here can come by it.
func secret(env *Env, log *slog.Logger) (text, file string, err error) {
	if s, ok := env.Getenv(envSecret); ok && s != "" {
		if env.Unsetenv != nil {
			if err := env.Unsetenv(envSecret); err != nil {
				return "", "", fmt.Errorf("take %s out of the environment: %w", envSecret, err)
			}
		}
		return s, "", nil
	}
	path, ok := env.Getenv(envSecretFile)
	if !ok || path == "" {
		return "", "", nil
	}
	data, exposed, err := ownership.ReadSecret(path, maxSecretFile)
	if err != nil {
		return "", "", fmt.Errorf("%s: %s %w", envSecretFile, path, err)
	}
	if exposed {
		log.Warn("the cluster's secret can be read by every user of this host; run chmod o-r on its file unless it is in a container of its own", "file", path)
	}
	s := strings.TrimRight(string(data), "\r\n")
	if s == "" {
		return "", "", errors.New(envSecretFile + ": the file " + path + " is empty")
	}
	return s, path, nil
}
