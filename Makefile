# Headgate's chores. `make` alone lists them; the words behind ## are what it prints.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.SUFFIXES:

# go.mod and go.sum are changed by hand, never by a build.
export GOFLAGS := $(strip $(GOFLAGS) -mod=readonly)

# What a package's tests may take at most; with the race detector on two busy cores the slowest need about a minute.
TIMEOUT  ?= 10m
# Packages that `test`, `bench` and `fuzz` look at.
PKG      ?= ./...
# Which benchmarks, for how long each.
BENCH    ?= .
BENCHTIME ?= 1s
# How long each fuzz target runs.
FUZZTIME ?= 20s

# Tools live outside the tree, one folder for each version and each Go that built them: a linter must not be older than the
# standard library that it reads.
TOOLS    = $${XDG_CACHE_HOME:-$$HOME/.cache}/headgate/tools
tool_dir = $(TOOLS)/$(1)-$$(awk '$$1 == "$(1)" {print $$2}' .versions)-$$(go env GOVERSION)
lint     = "$(call tool_dir,golangci-lint)/golangci-lint"

# The race detector watches all code but two programs that were translated from C into Go and run in one goroutine at a time: SQLite's
# virtual machine and QuickJS. Watching those costs two thirds of the time of all tests, and finds nothing that is ours.
race     = -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libquickjs=-race=false

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: ## serve the quickstart, with loopback targets allowed and readable logs
	go run ./cmd/headgate serve --dev examples/quickstart

.PHONY: test
test: ## run the tests (PKG=./engine/store/...)
	go test -vet=off -timeout $(TIMEOUT) $(TESTFLAGS) $(PKG)

.PHONY: check
check: ## all that CI does: format, vet, lint, generated files, modules, tests with the race detector
	@$(MAKE) --no-print-directory fmt-check vet lint verify modules
	@$(MAKE) --no-print-directory test TESTFLAGS="$(race) $(TESTFLAGS)"
	@$(MAKE) --no-print-directory test PKG=./engine/script TESTFLAGS="-run Bomb $(TESTFLAGS)" # limits of time, which the detector would hide

.PHONY: fmt
fmt: tools ## format all Go files
	$(lint) fmt

.PHONY: fmt-check
fmt-check: tools
	$(lint) fmt --diff

.PHONY: vet
vet:
	go vet ./...

.PHONY: lint
lint: tools ## run the linters of .golangci.yml
	$(lint) run --allow-parallel-runners

.PHONY: generate
generate: ## write the generated files again
	go generate ./...

.PHONY: verify
verify: ## check that the generated files are what `make generate` writes
	@sums() { git ls-files -z --cached --others --exclude-standard | xargs -0 cksum 2>/dev/null || true; }; \
	before="$$(sums)"; go generate ./...; \
	diff <(echo "$$before") <(sums) || { echo "make verify: the files above were not what 'make generate' writes; it has just written them" >&2; exit 1; }

.PHONY: modules
modules:
	go mod verify

.PHONY: bench
bench: ## run the benchmarks (BENCH=Append BENCHTIME=5s PKG=./engine/store/...)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem $(PKG)

.PHONY: bench-gateway
bench-gateway: ## the whole gateway: requests a second beside a bare handler, 1,000 reloads under load
	go run ./bench/accept
	HEADGATE_TEST_RELOADS=1000 go test -count=1 -run TestReloadsUnderLoadLoseNothing -v ./engine

.PHONY: torture
torture: ## harm a real gateway and count what it had acknowledged: 300 kills, 300 power cuts, … (needs root; MODE=kill ROUNDS=50)
	go run ./bench/torture -mode "$${MODE:-all}" $(if $(ROUNDS),-rounds $(ROUNDS)) $(TORTUREFLAGS)

.PHONY: fairness
fairness: ## measure what healthy destinations notice of hanging ones, what a million parked runs cost, and how fast an outage is worked off
	go run ./bench/torture -mode "$${MODE:-fairness,parked,drain}" $(TORTUREFLAGS)

.PHONY: crosscheck
crosscheck: ## hold the catalogue against the official SDKs and write the table of docs/providers.md (needs Node and the network)
	cd bench/crosscheck && npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	go run ./bench/crosscheck -write docs/providers.md

.PHONY: fuzz
fuzz: ## run each fuzz target for a while (FUZZTIME=20s PKG=./engine/script/...)
	@go test -list '^Fuzz' $(PKG) | awk '/^Fuzz/ {name[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, name[i]; n = 0}' | \
	while read -r pkg name; do \
		echo "$$pkg $$name"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$pkg" < /dev/null; \
	done

.PHONY: release
release: ## build static binaries and their checksums into dist/ (VERSION=v1.2.3)
	@VERSION='$(VERSION)' bash .ci/release

.PHONY: tools
tools: ## build the tools named in .versions, once, into the cache of this user
	@while read -r name version command; do \
		case "$$name" in ''|\#*) continue;; esac; \
		go="$$(go env GOVERSION)"; dir="$(TOOLS)/$$name-$$version-$$go"; \
		if [ -x "$$dir/$$name" ]; then continue; fi; \
		echo "building $$name $$version with $$go (once)" >&2; \
		mkdir -p "$$dir"; \
		GOTOOLCHAIN="$$go" GOFLAGS= GOBIN="$$dir" go install "$$command@v$$version"; \
	done < .versions

.PHONY: clean
clean: ## remove what was built here (tools and Go's own cache stay)
	rm -rf dist headgate
