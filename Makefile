# SPDX-License-Identifier: GPL-2.0-or-later
# Everything works from a fresh clone with Python 3.11, make and git; `vm` and the guest tests also need VM_PACKAGES.

VENV := .venv
BIN := $(VENV)/bin
NTBTRACE := $(BIN)/ntbtrace
RECORD := $(NTBTRACE) record --guests qemu --overwrite
VM_PACKAGES := qemu-system-x86 gcc make binutils xz-utils git libelf1 libssl3
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: run test vm packages traces docs lint coverage soak bench bench-guest clean
.DEFAULT_GOAL := run

# A minute with the tool: two simulated guests play ping-pong through the switch; the recording is read and replayed.
run: $(VENV)/.installed
	@rm -f run.ntbt run.ntbt.journal
	$(NTBTRACE) record --workload pingpong -o run.ntbt
	@echo
	$(NTBTRACE) info --top 5 run.ntbt
	@echo
	$(NTBTRACE) show run.ntbt --from 400 --limit 12
	@echo
	$(NTBTRACE) replay run.ntbt
	@printf '%s\n' '' 'Next:' \
	'  $(NTBTRACE) show run.ntbt | less                  every event, decoded' \
	'  $(NTBTRACE) repl run.ntbt                         the debugger: forwards, backwards, and why' \
	'  $(NTBTRACE) record --workload perf -o perf.ntbt   a copy through a memory window' \
	'  make vm                                                 the same with two real Linux guests in QEMU (Debian)' \
	'  docs/your-own-vms.md                                    your own virtual machines'

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

# Debian: two real Linux guests with the unmodified ntb_hw_idt and ntb_pingpong.
vm: $(VENV)/.installed packages
	$(NTBTRACE) guest build
	@rm -f vm.ntbt vm.ntbt.journal
	$(NTBTRACE) record --guests qemu --workload pingpong -o vm.ntbt
	$(NTBTRACE) info vm.ntbt
	$(NTBTRACE) replay vm.ntbt

# The recordings in traces/, made anew: after a change of what the model answers (device.MODEL_VERSION). Then `make docs`.
traces: $(VENV)/.installed packages
	$(NTBTRACE) guest build
	$(RECORD) --workload pingpong -o traces/pingpong.ntbt
	$(RECORD) --workload tool --size 256 -o traces/tool.ntbt
	$(RECORD) --workload perf --size 16384 -o traces/perf-stock.ntbt
	$(RECORD) --workload perf-fixed --size 16384 -o traces/perf-fixed.ntbt
	$(RECORD) --workload perf-dma --size 16384 -o traces/perf-dma.ntbt
	$(RECORD) --workload dmatest --count 50 -o traces/dmatest.ntbt
	$(RECORD) --workload three -o traces/three.ntbt
	$(RECORD) --workload storm --count 20 -o traces/storm.ntbt
	$(RECORD) --workload reload --count 2 -o traces/reload.ntbt
	$(RECORD) --workload reboot --count 1 -o traces/reboot.ntbt
	$(BIN)/python traces/make_lost_doorbell.py traces/lost-doorbell.ntbt
	$(RECORD) --workload pingpong --guest-pc -o traces/guest-pc.ntbt
	$(RECORD) --workload perf --size 16384 --guest-pc -o traces/perf-guest-pc.ntbt

# The pages that are made from tables and from real sessions; their tests say when they are stale.
docs: $(VENV)/.installed
	$(NTBTRACE) registers --markdown > docs/registers.md
	$(BIN)/python -m tests.sessions

packages:
	@missing=$$(for p in $(VM_PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then \
	  echo "make vm needs these Debian packages; as root: apt-get install" $$missing >&2; exit 1; fi; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every line and branch of the device, by its own tests alone.
coverage: $(VENV)/.installed-dev
	$(BIN)/coverage run -m pytest -q --hypothesis-seed=0 tests/device
	$(BIN)/coverage report

# 20,000 random command lines for the debugger; the suite does 300.
soak: $(VENV)/.installed-dev
	NTBTRACE_SOAK=20000 $(BIN)/python -m pytest -q --timeout=1200 tests/repl/test_random.py

# A few minutes, on a machine that does nothing else.
bench: $(VENV)/.installed-bench
	$(BIN)/python bench/run.py

# What needs real guests: what recording costs ntb_perf; recordings for `make bench` (kept in ~/.cache/ntbtrace/bench).
bench-guest: $(VENV)/.installed packages
	$(NTBTRACE) guest build
	$(BIN)/python bench/recordings.py
	$(BIN)/python bench/guest.py

clean:
	rm -rf $(VENV) build *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis run.ntbt* vm.ntbt*

$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo 'make: ntbtrace needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3' >&2; exit 1; }
	@echo 'Installing into $(VENV) ...'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@
