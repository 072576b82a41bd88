// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
)

// TestUnwatchedResourcesAreLoggedShortly holds that a client cannot write the log
// full with what it subscribes to.
func TestUnwatchedResourcesAreLoggedShortly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		n := New(Config{File: config.Default(), Log: slog.New(slog.NewTextHandler(&out, nil))})
		watch := n.watcher(func(_ context.Context, uri string, _ bool) error { return errors.New("no server has " + uri) })
		uri := "x:" + strings.Repeat("u", 8000)
		for range 1000 {
			watch(subscription.Topic{Kind: subscription.Resource, Key: uri}, true)
		}
		if lines := strings.Count(out.String(), "\n"); lines != 1 || out.Len() > 1000 || !strings.Contains(out.String(), "x:uuu") {
			t.Errorf("%d lines of %d bytes: %.300s", lines, out.Len(), out.String())
		}
	})
}
