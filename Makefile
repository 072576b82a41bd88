# SPDX-FileCopyrightText: 2026 The Holdfast Authors
# SPDX-License-Identifier: Apache-2.0

GO ?= go
FUZZTIME ?= 30s
TOOL = $(GO) tool -modfile=tools/go.mod
PLATFORMS = darwin/arm64 windows/amd64 linux/arm64
RELEASED = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

.PHONY: help build serve quick check test tidy race race-unit lint cross vuln release conformance bench bench-cluster bench-gateway storm start privacy cluster flood fuzz

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build bin/holdfast
	$(GO) build -trimpath -o bin/holdfast ./cmd/holdfast

serve: build ## serve the built-in demo on http://127.0.0.1:8080/mcp
	./bin/holdfast serve

quick: ## run what is short of every package: before each commit
	$(GO) vet ./...
	$(GO) test -short ./...

check: tidy lint cross race-unit ## hold what the tests cannot: before a branch is handed in
	$(MAKE) fuzz FUZZTIME=10s
	$(MAKE) vuln

test: tidy ## run all tests, real peers and the official conformance suite included
	$(GO) vet ./...
	$(GO) test -count=1 -timeout 20m $$($(GO) list ./... | grep -v '/tests/cluster$$') # what tests build is not part of the cache's key
	$(GO) test -count=1 -timeout 20m ./tests/cluster # alone: nodes that get no processor take each other for lost

tidy: ## hold that go.mod and go.sum of every module say what its code imports
	@set -e; for m in $$(find . -name go.mod -not -path '*/node_modules/*'); do (cd $$(dirname $$m) && $(GO) mod tidy -diff); done

race: ## run the Go tests under the race detector
	$(GO) test -race -timeout 30m ./...

race-unit: ## run the tests that stand beside the code under the race detector
	$(GO) test -race -timeout 30m $$($(GO) list ./... | grep -v /tests/)

lint: ## run go vet, and golangci-lint at the pinned version
	$(GO) vet ./...
	$(TOOL) golangci-lint run ./...

cross: ## compile for platforms that no test runs on, and vet the packages as they are there
	@set -e; for p in $(PLATFORMS); do \
	  echo "== $$p"; export GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0; \
	  $(GO) build -o /dev/null ./cmd/holdfast; $(GO) vet $$($(GO) list ./... | grep -v /tests/); \
	done

vuln: ## look for known vulnerabilities in what is linked, where their database can be reached
	@out=$$($(TOOL) govulncheck ./... 2>&1) && { echo "$$out"; exit 0; }; echo "$$out"; \
	case "$$out" in \
	  *'fetching vulnerabilities'*) echo 'vuln: NOTHING WAS CHECKED: the database of vulnerabilities cannot be reached from here';; \
	  *) exit 1;; \
	esac

release: ## build what a release of the tag at HEAD has, into out/release
	@set -e; version=$$(git describe --exact-match --tags --match 'v*'); \
	rm -rf out/release; mkdir -p out/release; \
	awk -v name="$${version#v}" '/^## /{on = index($$0, "## [" name "]") == 1; next} on' CHANGELOG.md > out/release/NOTES.md; \
	grep -q . out/release/NOTES.md || { echo "CHANGELOG.md has no section for $$version"; exit 1; }; \
	for p in $(RELEASED); do \
	  export GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0; \
	  case $$GOOS in windows) end=.exe;; *) end=;; esac; \
	  echo "== $$p"; $(GO) build -trimpath -buildvcs=true -o "out/release/holdfast-$$version-$$GOOS-$$GOARCH$$end" ./cmd/holdfast; \
	done; \
	cd out/release && sha256sum holdfast-* > SHA256SUMS

conformance: ## run the official suite in every revision, also through the gateway, and print the tables
	$(GO) run ./tests/conformance
	$(GO) run ./tests/conformance -gateway

bench: ## CPU per call and bytes per session, beside other implementations
	$(GO) run ./bench

bench-cluster: ## three nodes in one process: session changes, lag of the feed, requests, forwarded calls, bytes between nodes
	@set -e; for b in SessionPut/nodes=3 FeedLag Request/cross-node Wire Compression Link; do \
	  $(GO) test -run '^$$' -bench "$$b" -benchtime 3s ./internal/cluster; \
	done # each in a process of its own, as what one leaves behind costs the next one's collector
	$(GO) test -run '^$$' -bench Forward -benchtime 3s ./internal/node

bench-gateway: ## CPU per proxied call, beside httputil.ReverseProxy
	$(GO) run ./bench -gateway

storm: ## kill servers and Holdfast at random, then measure sick servers' neighbours
	$(GO) run ./tests/storm
	$(GO) run ./tests/storm -isolation

start: ## start ten npm servers from an empty cache and thirty warm, directly and through Holdfast, and print both
	$(GO) run ./tests/start

privacy: ## let clients and servers say all they can, and hold that each client hears what is its own
	$(GO) run ./tests/privacy

cluster: ## kill, restart, stop and cut off nodes under load, and hold that nothing is lost
	$(GO) run ./tests/cluster

flood: ## flood a node from one client, and hold its memory and what others feel; BEFORE=binary compares with another
	$(GO) run ./tests/flood $(if $(BEFORE),-before $(BEFORE))

fuzz: ## run every fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg; \
	  done; done
