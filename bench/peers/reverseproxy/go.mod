module github.com/holdfast-mcp/holdfast/bench/peers/reverseproxy

go 1.26.0
