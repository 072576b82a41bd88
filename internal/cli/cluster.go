// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/node"
)

// The variables that hold the secret which the nodes of a cluster share, or name
// a file that does. It is not a flag, since command lines are for all to see.
const (
	envSecret     = "HOLDFAST_CLUSTER_SECRET"
	envSecretFile = "HOLDFAST_CLUSTER_SECRET_FILE"
)

// clusterFlags say how this node joins others.
type clusterFlags struct {
	node, listen, advertise, join, nats string
}

func (f *clusterFlags) load(env *Env) (node.Cluster, error) {
	c := node.Cluster{Name: f.node, Listen: f.listen, Advertise: f.advertise, NATS: f.nats}
	for _, seed := range strings.Split(f.join, ",") {
		if seed = strings.TrimSpace(seed); seed != "" {
			c.Join = append(c.Join, seed)
		}
	}
	switch {
	case f.nats != "" && f.listen != "":
		return c, usageError{"--nats uses a NATS cluster that is there, --cluster makes one; give one of them"}
	case f.listen == "" && len(c.Join) > 0:
		return c, usageError{"--join needs --cluster ADDR, the address that the other nodes reach this one at"}
	case f.listen != "" && f.node == "":
		return c, usageError{"--cluster needs --node NAME, a name of its own that this node keeps over restarts"}
	}
	var err error
	if c.Secret, err = secret(env); err != nil {
		return c, err
	}
	if f.listen != "" && c.Secret == "" {
		return c, usageError{"a cluster needs a secret that all nodes share; set " + envSecret + " or " + envSecretFile}
	}
	return c, nil
}

func secret(env *Env) (string, error) {
	if s, ok := env.Getenv(envSecret); ok && s != "" {
		return s, nil
	}
	path, ok := env.Getenv(envSecretFile)
	if !ok || path == "" {
		return "", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", envSecretFile, err)
	}
	s := strings.TrimRight(string(data), "\r\n")
	if s == "" {
		return "", errors.New(envSecretFile + ": the file " + path + " is empty")
	}
	return s, nil
}
