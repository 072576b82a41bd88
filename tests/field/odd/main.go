// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command odd is a server with an oddity, one of those in package field.
//
//	odd stdio TABLE NAME   serves one over stdin and stdout
//	odd http TABLE ADDR    serves those of a table that speak HTTP, each at http://ADDR/NAME/mcp
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/holdfast-mcp/holdfast/tests/field"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "odd:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want stdio TABLE NAME or http TABLE ADDR, got %q", args)
	}
	switch args[0] {
	case "stdio":
		v, ok := field.Find(args[1], args[2])
		if !ok {
			return fmt.Errorf("no server %q in a table %q", args[2], args[1])
		}
		return field.ServeStdio(v, os.Stdin, os.Stdout, os.Stderr)
	case "http":
		server := &http.Server{Addr: args[2], Handler: field.NewWeb(field.Tables()[args[1]]), ReadHeaderTimeout: 10 * time.Second}
		return server.ListenAndServe()
	}
	return fmt.Errorf("unknown transport %q", args[0])
}
