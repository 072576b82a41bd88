// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

// remoteHelp is what --help adds for commands that call a server.
const remoteHelp = "URL is an http, https, ws or wss URL such as http://127.0.0.1:8080/mcp. After -- stands the command of a server that speaks over stdin and stdout."

// remote are the flags and the target of a command that calls a server.
type remote struct {
	env     *Env
	fs      *flag.FlagSet
	json    bool
	timeout time.Duration
	headers http.Header

	url     string   // or
	command []string // of a server to start
}

func remotely(env *Env, name string) *remote {
	r := &remote{env: env, fs: flags(name), headers: http.Header{}}
	r.fs.BoolVar(&r.json, "json", false, "print JSON, for programs")
	r.fs.DurationVar(&r.timeout, "timeout", 0, "give up after `DURATION`, such as 30s (default never)")
	r.fs.Func("header", "send a header with every request, `'NAME: VALUE'`; ${VARIABLE} in it is of the environment, so that no secret stands in the list of processes", r.addHeader)
	return r
}

// parse reads the command line and returns the arguments beside the server: between
// least and most.
func (r *remote) parse(args []string, least, most int) (plain []string, err error) {
	defer func() {
		if help, ok := errors.AsType[helpWantedError](err); ok {
			err = helpWantedError{help.fs, remoteHelp}
		} else if err == nil && r.timeout < 0 {
			err = usageError{"--timeout: want a duration such as 30s"}
		}
	}()
	before, after := untilDashes(args)
	if len(after) > 0 && !isURL(after[0]) && !slices.ContainsFunc(before, isURL) {
		r.command = after
		if err := parse(r.fs, before, least, most); err != nil {
			return nil, err
		}
		if len(r.headers) > 0 {
			return nil, usageError{"--header has no use with a command: give it the variables that it reads"}
		}
		return r.fs.Args(), nil
	}
	if err := parse(r.fs, args, least+1, most+1); err != nil {
		return nil, err
	}
	if r.url = r.fs.Arg(0); !isURL(r.url) {
		return nil, usageError{fmt.Sprintf("%q is not a URL such as http://127.0.0.1:8080/mcp; a server to start stands after --", r.url)}
	}
	return r.fs.Args()[1:], nil
}

// untilDashes splits arguments at the first --.
func untilDashes(args []string) (before, after []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

func isURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) && u.Host != ""
}

// inHeader is a variable in the value of --header.
var inHeader = regexp.MustCompile(`\$\{(\w+)\}`)

func (r *remote) addHeader(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return errors.New("want NAME: VALUE")
	}
	var unset string
	value = inHeader.ReplaceAllStringFunc(value, func(variable string) string {
		v, set := r.env.Getenv(variable[2 : len(variable)-1])
		if !set {
			unset = variable
		}
		return v
	})
	switch {
	case unset != "":
		return fmt.Errorf("the variable %s is not set", unset)
	case strings.ContainsAny(value, "\r\n\x00"):
		return errors.New("the value holds a line break or another control character")
	}
	r.headers.Add(name, strings.TrimSpace(value))
	return nil
}

// within bounds the whole command by --timeout.
func (r *remote) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("no answer within %s (--timeout)", r.timeout))
}

// told is an error as the person should read it: when the time was over or Ctrl-C
// ended the command, that is the reason, whatever it led to.
func (r *remote) told(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// dial connects to the server, or starts it.
func (r *remote) dial(ctx context.Context) (*client.Client, error) {
	target, name := r.target()
	c, err := client.Connect(ctx, target,
		client.Info(mcp.Implementation{Name: "holdfast-cli", Version: buildVersion()}),
		client.OnElicit(newAsker(r.env).elicit), client.ElicitURLs())
	if err == nil {
		return c, nil
	}
	err = fmt.Errorf("cannot reach %s: %w", name, err)
	if refused, ok := errors.AsType[*client.HTTPError](err); ok && refused.Status == http.StatusUnauthorized && len(r.headers) == 0 {
		err = fmt.Errorf("%w; send what it asks for with --header 'Authorization: Bearer ${TOKEN}'", err)
	}
	return nil, err
}

func (r *remote) target() (client.Target, string) {
	switch scheme, _, _ := strings.Cut(r.url, ":"); {
	case len(r.command) > 0:
		c := client.Command(r.command[0], r.command[1:]...)
		c.Stderr = &shownWriter{r.env.Err}
		return c, r.command[0]
	case scheme == "ws" || scheme == "wss":
		return client.Stream(func(ctx context.Context) (transport.Conn, error) {
			return websocket.Dial(ctx, r.url, r.headers, websocket.DialConfig{})
		}), r.url
	}
	var pairs []string
	for name, values := range r.headers {
		for _, value := range values {
			pairs = append(pairs, name, value)
		}
	}
	return client.HTTP(r.url, pairs...), r.url
}
