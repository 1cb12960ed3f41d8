# make demo    set up, design with the shipped generator, train one on the built-in data, leave two pages to look at
# make test    set up and run the tests
# make smoke   set up and run every experiment, tiny, from its command line to its page, within time limits
# make rehearse  set up and take every stage of the accelerator benchmark, tiny, on the CPU beside PyTorch (VERSUS=none: alone)
# make lint    set up and check style and types
# make peers   set up with other implementations of our statistics, which some tests compare with
# make findings  run what other software was seen to do (findings/), each in an environment of its own
# make clean   remove everything that these have made
#
# They work in .venv, made with $(PYTHON) if given (make test PYTHON=/path/to/python3.12), else with the newest of the
# interpreters below that really starts: a version manager may have put commands on the path that only print an error.
# With PYTHON=..., `make smoke` leaves the .venv of another interpreter as it is and works in .venv-<version> beside it.

CANDIDATES := python3.13 python3.12 python3.11 python3
STARTS := -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
INTERPRETER := $(or $(PYTHON),$(shell for p in $(CANDIDATES); do $$p $(STARTS) && echo $$p && break; done))
SETUP = "$(INTERPRETER)" scripts/setup_venv.py $(if $(PYTHON),--exact)
BIN := .venv/bin
SMOKE = $(SETUP) $(if $(PYTHON),--venv=auto)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test smoke rehearse lint peers findings clean python

help:
	@sed -n 's/^# make /make /p' Makefile

demo: python
	@exec $(SETUP)
	$(BIN)/python experiments/design.py --config=configs/design.py --brief="product=fan, palette=indigo" \
	  --workdir=runs/demo_designs
	@echo "Designs of the shipped generator: $(CURDIR)/runs/demo_designs/sheet.png"
	$(BIN)/python experiments/train.py --config=configs/quick.py --workdir=runs/demo
	@echo "Open in a browser: $(CURDIR)/runs/demo/report/index.html"

test: python
	@exec $(SETUP) --extra=test
	@# In the order of the folders: sorted by their number of tests, files of few long ones would come last, one at a time.
	$(BIN)/python -m ich_jax.perf.memory -m pytest -n logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder \
	  --durations=15

smoke: python
	@exec $(SMOKE)
	@exec "$$($(SMOKE) --where)" scripts/smoke.py

rehearse: python
	@exec $(SMOKE) $(if $(filter none,$(VERSUS)),,--extra=bench)
	rm -rf runs/rehearsal
	"$$($(SMOKE) --where)" scripts/benchmark.py accelerator --rehearse --versus=$(or $(VERSUS),torch) --output=runs/rehearsal

lint: python
	@exec $(SETUP) --extra=test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

peers: python
	@exec $(SETUP) --extra=peers

findings: python
	@log=$$(mktemp); status=0; for script in findings/*.sh; do \
	  if PYTHON="$(INTERPRETER)" "$$script" >"$$log" 2>&1; then now="as written"; else now=CHANGED; status=1; fi; \
	  echo "$$now  $$script: $$(tail -1 "$$log")"; \
	done; rm -f "$$log"; exit $$status

clean:
	rm -rf .venv .venv-[0-9]* .venv.lock .venv.saved .venv.staged build dist ich_jax.egg-info runs/demo runs/demo_designs
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@"$(INTERPRETER)" $(STARTS) || { \
	  echo "$(if $(PYTHON),'$(PYTHON)' is not,None of $(CANDIDATES) is) a Python of at least 3.11 that starts." >&2; \
	  echo "Name one that does: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
