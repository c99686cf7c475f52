# Each target is one line that calls a real command. `make help` lists them.
SHELL := bash
# Agents are processes that start all the time: without cached bytecode each start costs 0.2 s more.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help

# uv from PATH if it runs (a version manager's shim may not), else a private one, pinned by version and hash.
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/raibid/uv-0.13.8
UV := $(if $(shell uv --version 2>/dev/null),uv,$(TOOLS)/bin/uv)
RUN := $(UV) run --frozen
ARGS ?=
N ?= 300
S ?= local
# One more than cores: half of a test's time is waiting.
WORKERS ?= 3
CLUSTER_WORKERS ?= 3

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 16

up: env ## stack local, then the pool on this machine; a sample is pushed and built (ARGS=--once: exit with its result)
	@$(RUN) python -m components up --stack local && $(RUN) raibid up $(ARGS)

preview: env ## what `pulumi up` would do (S=stack); fetches the Pulumi CLI if it is missing
	@$(RUN) python -m components preview --stack $(S)

render: env ## the Flux repository of stack S, as files in build/fleet/S
	@$(RUN) python -m components render --stack $(S) --out build/fleet/$(S)

test: check ## check, then all tests that need no cluster; CI (.ci/run) runs test-cluster after it
	$(RUN) pytest -n $(WORKERS) -rs

check: env ## lint, format and types
	$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) mypy

format: env ## rewrite the code as `check` wants it
	$(RUN) ruff check --fix-only . && $(RUN) ruff format .

chaos: env ## N jobs under injected faults, then the checker's verdict (N=10000 for the published run)
	$(RUN) python -m tests.chaos --jobs $(N)

bench: env ## the figures of docs/, each beside its twin measured in the same run
	$(RUN) python -m tests.bench $(ARGS)

cluster-tools: env ## build the cluster's programs that are neither on PATH nor in the cache (15 minutes, once)
	@$(RUN) python -m tests.cluster.tools.build $(ARGS)

test-cluster: env ## the emitted tree, KEDA, Flux, Gitea and pods on a real control plane; needs cluster-tools
	@$(RUN) python -m tests.cluster.tools.build --check && $(RUN) pytest tests/cluster -m cluster -n $(CLUSTER_WORKERS) --dist loadfile --no-loadscope-reorder -rs $(ARGS)

bench-cluster: env ## enqueue to first log line, scaling beside its simulation, keda beside direct, on a real control plane
	@$(RUN) python -m tests.cluster.measure $(ARGS)

demo-cluster: env ## one push through everything: Gitea, webhook, API, KEDA, agent, commit status
	@$(RUN) python -m tests.cluster.demo $(ARGS)

chaos-cluster: N = 200
chaos-cluster: env ## N jobs on a real cluster while each of its parts is killed, then the checker's verdict
	@$(RUN) python -m tests.cluster.chaos --jobs $(N) $(ARGS)

clean: ## remove what the other targets made in this directory
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

env: $(filter /%,$(UV))
	@$(UV) sync --frozen --quiet

$(TOOLS)/bin/uv: .ci/uv.txt
	@echo "uv is not on PATH: installing the pinned one into $(TOOLS)"
	@python3 -m venv $(TOOLS) || { echo "python3 cannot make a virtual environment: apt-get install python3-venv, then again" >&2; exit 1; }
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r .ci/uv.txt
	@touch $@

.PHONY: help up preview render test check format chaos bench cluster-tools test-cluster bench-cluster demo-cluster chaos-cluster clean env
