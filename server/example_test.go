// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/server"
)

type order struct {
	Items []item `json:"items" minItems:"1" jsonschema:"what to order"`
}

type item struct {
	Dish string `json:"dish" enum:"soup, bread"`
	Qty  int    `json:"qty" minimum:"1" default:"1"`
}

type bill struct {
	Total float64 `json:"total"`
}

func newKitchen() *server.Server {
	s := server.New("kitchen", "1.0.0")
	server.AddTool(s, "order", "Orders dishes", func(_ context.Context, _ *server.Request, in order) (bill, error) {
		total := 0.0
		for _, i := range in.Items {
			if i.Qty > 9 {
				return bill{}, errors.New("the kitchen is too small for that")
			}
			total += float64(i.Qty) * 2.5
		}
		return bill{total}, nil
	})
	return s
}

// A test calls a server in memory, by the same protocol as any client.
func Example_inMemory() {
	ctx := context.Background()
	s := newKitchen()
	defer s.Close()
	c, err := client.Connect(ctx, client.Server(s))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for _, in := range []any{
		order{Items: []item{{"soup", 2}, {"bread", 1}}},
		server.Raw(`{"items":[{"dish":"soup"}]}`),
		server.Raw(`{"items":[{"dish":"cake"}]}`),
		order{Items: []item{{"soup", 10}}},
	} {
		res, err := c.CallTool(ctx, "order", in)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(res.IsError, res.Text())
	}
	// Output:
	// false {"total":7.5}
	// false {"total":2.5}
	// true invalid arguments: items/items/dish: enum: cake does not equal any of: [soup bread]
	// true the kitchen is too small for that
}
