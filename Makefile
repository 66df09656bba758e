# Ristourne. `make` or `make help` says what there is.
SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN         := bin
GOFUMPT     := go run mvdan.cc/gofumpt@v0.12.0
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
TIMEOUT     := 60m

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "; print "Usage: make TARGET\n"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Run
.PHONY: sandbox
sandbox: build ## Run everything on this machine, with generated card traffic (DURATION=30s ends by itself; ARGS="-h" shows the flags)
	$(BIN)/sandbox $(if $(DURATION),--duration $(DURATION)) $(ARGS)

.PHONY: build
build: ## Build the binaries into bin/
	go build -trimpath -o $(BIN)/ ./cmd/...

##@ Check
.PHONY: test
test: ## Run the tests against the embedded parts, with the race detector; random ones with few cases
	go test -race -short -timeout $(TIMEOUT) ./...

.PHONY: test-long
test-long: ## Run what make test leaves out: several processes, whole days, and the random tests with all their cases
	go test -race -timeout $(TIMEOUT) ./cmd/pipelinetest ./cmd/sandbox ./cmd/bench
	go test -timeout $(TIMEOUT) ./rules/... ./processor/... ./sinks/... # make test looks for races
	go test -timeout $(TIMEOUT) ./rules/engine -run 'Oracle|Folded' -cases 320

.PHONY: test-real
test-real: ## Run the tests that touch Kafka, Redis or ClickHouse against real servers
	RISTOURNE_PARTS=real go test -race -short -count=1 -timeout $(TIMEOUT) ./deploy/... ./processor/... ./sinks/... ./cmd/...

.PHONY: lint
lint: ## Check formatting, vet and staticcheck
	@unformatted=$$($(GOFUMPT) -l .); if [ -n "$$unformatted" ]; then echo "run make format:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(STATICCHECK) ./...

.PHONY: format
format: ## Format the code with gofumpt
	$(GOFUMPT) -l -w .

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME (default 30s) each
	./deploy/fuzz.sh $(or $(FUZZTIME),30s)

.PHONY: soak
soak: ## Send and configure whatever is accepted, at random, the whole way for SOAK (default 1h; SEED=17 begins with that round)
	go test ./cmd/pipelinetest -run '^TestNothingThatIsSentOrConfiguredStopsAShard$$' -count=1 -v -timeout 0 \
		-wholeway.duration $(or $(SOAK),1h) -wholeway.seed $(or $(SEED),1)

##@ Measure
.PHONY: bench
bench: build ## Measure the stream against kafka-go's group Reader, on the same broker and events (ARGS="-h")
	$(BIN)/bench $(ARGS)

.PHONY: bench-go
bench-go: ## Run the Go benchmarks: decode, match, decide
	go test -run '^$$' -bench . -benchmem ./rules/... ./processor/wire ./processor/feed
