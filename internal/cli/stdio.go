// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/node"
)

// serveStdio serves the client that started this program, until that is gone.
// Standard output carries messages only; everything else goes to standard error.
func serveStdio(ctx context.Context, env *Env, cfg node.Config) error {
	cfg.Memory = true // its sessions end with the program that started it
	ctx, end := context.WithCancel(ctx)
	defer end()
	leave := func() {
		if ctx.Err() == nil {
			cfg.Log.Info("the client reads no more: stopping")
		}
		end()
	}
	n := node.New(cfg)
	err := n.Start(ctx)
	if err == nil {
		go awaitReader(ctx, env.Out, leave)
		err = n.ServeStdio(ctx, n.Stdio(interruptible(env.In), &clientWriter{env.Out, leave}))
	}
	return errors.Join(err, n.Close())
}

// interruptible returns a reader that Close ends at once. A blocked read of a pipe
// or terminal cannot be called off: the goroutine in it ends with its input, or
// with the process.
func interruptible(in io.Reader) io.ReadCloser {
	r, feed := io.Pipe()
	go func() {
		_, err := io.Copy(feed, in)
		feed.CloseWithError(err)
	}()
	return r
}

// clientWriter is the client's end of a connection; gone is called when nothing
// can be written any more.
type clientWriter struct {
	io.WriteCloser
	gone func()
}

// Write implements [io.Writer].
func (w *clientWriter) Write(b []byte) (int, error) {
	n, err := w.WriteCloser.Write(b)
	if err != nil {
		w.gone()
	}
	return n, err
}

// readerInterval is the time between two looks at whether the client still reads.
const readerInterval = time.Second

// awaitReader calls gone when nobody reads what is written to out, as far as the
// system tells before something is. It ends with ctx.
func awaitReader(ctx context.Context, out io.Writer, gone func()) {
	tick := time.NewTicker(readerInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if unread(out) {
				gone()
				return
			}
		}
	}
}
