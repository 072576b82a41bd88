module github.com/holdfast-mcp/holdfast/bench/peers/nethttp

go 1.26.0
