// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// helpWantedError is what parse returns when -h or --help is among the arguments. It is
// no failure.
type helpWantedError struct {
	fs   *flag.FlagSet
	more string // on the arguments
}

func (helpWantedError) Error() string { return "help is wanted" }

// commandHelp prints how a command is called and what each of its flags does.
func commandHelp(w io.Writer, c command, h helpWantedError) {
	fmt.Fprintf(w, "%s\n\nusage:\n%s", capital(c.help), usageLines(c))
	if h.more != "" {
		fmt.Fprintf(w, "\n%s\n", h.more)
	}
	first := true
	h.fs.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprint(w, "\nflags:\n")
			first = false
		}
		value, text := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		if d := shownDefault(f); d != "" {
			text += " (default " + d + ")"
		}
		fmt.Fprintf(w, "  --%s%s\n        %s\n", f.Name, value, text)
	})
}

// shownDefault is a flag's default, "" when it is as good as none.
func shownDefault(f *flag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "0s", time.Duration(-1).String():
		return ""
	}
	return f.DefValue
}

// usageLines has a line for each way to call a command; args separates them by |
// between spaces.
func usageLines(c command) string {
	var b strings.Builder
	for _, way := range strings.Split(c.args, " | ") {
		fmt.Fprintf(&b, "  %s\n", strings.TrimSpace("holdfast "+c.name+" "+way))
	}
	return b.String()
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// usage lists the commands.
func usage(w io.Writer) {
	fmt.Fprint(w, "holdfast puts any MCP servers behind one URL that every client can use.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "%s        %s\n", usageLines(c), c.help)
	}
	fmt.Fprint(w, "\nholdfast COMMAND --help explains the flags of a command.\n")
}
