# `make` lists what there is. Works with GNU make 3.81 and any POSIX sh.
# Variables are set on the command line only: make run TORCH_INDEX=... OUT=... PYTHON=... VENV=...

VENV = .venv
OUT = runs/first
PYTHON =
TORCH_INDEX =

PY = $(VENV)/bin/python
PIP = $(PY) -m pip --disable-pip-version-check install --no-compile
READY = $(VENV)/glulam-ready# everything is installed; holds the checkout's path
MADE = $(VENV)/glulam-made# we made this environment, so we may remove it
INPUTS = workspace.txt pyproject.toml $(wildcard plugins/*/pyproject.toml)

SUITABLE = import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
WORKS = { $(PY) -c '$(SUITABLE)' && $(PY) -m pip --version; } >/dev/null 2>&1

# Bytecode is written when a module is first imported: compiling all of torch would double the time of `make venv`.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help venv run test lint docs evidence clean

help:
	@echo 'make run       train a first agent on mettagrid:forage and compare it with random play'
	@echo 'make test      lint, types, docs and tests'
	@echo 'make venv      make or refresh $(VENV) only'
	@echo 'make lint      ruff and mypy'
	@echo 'make docs      the site, into build/docs'
	@echo 'make evidence  the long experiments behind docs/results (hours)'
	@echo 'make clean     remove $(VENV), build and caches; runs stay'
	@echo 'TORCH_INDEX=<address> takes torch from there: the CPU build instead of the CUDA one on Linux'

# A checkout that was moved or copied needs its editable installs again.
ifneq "$(shell cat $(READY) 2>/dev/null)" "$(CURDIR)"
.PHONY: $(READY)
endif

venv: $(READY)

$(READY): $(INPUTS)
	@if test -f $(MADE) && { ! test -f $(READY) || ! $(WORKS); }; then rm -rf $(VENV); fi; \
	if test -n "$$(ls -A $(VENV) 2>/dev/null)"; then \
	  $(WORKS) && exit 0; \
	  echo 'glulam: $(VENV) is not a virtual environment with pip and Python 3.11 or 3.12: move it away, or name another with VENV=<folder>.' >&2; exit 1; \
	fi; \
	python=; bare=; \
	for name in $(PYTHON) python3.12 python3.11 python3 python; do \
	  "$$name" -c '$(SUITABLE)' >/dev/null 2>&1 || continue; \
	  if "$$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then python=$$name; break; fi; \
	  bare=$${bare:-$$name}; \
	done; \
	if test -z "$$python" && test -n "$$bare"; then \
	  echo "glulam: $$bare has no venv module: install it (Debian and Ubuntu: apt install $${bare##*/}-venv)." >&2; exit 1; \
	fi; \
	if test -z "$$python"; then \
	  echo 'glulam needs Python 3.11 or 3.12 and found neither: install python3.12 (with python3.12-venv on Debian and Ubuntu), or name one with PYTHON=<path>.' >&2; exit 1; \
	fi; \
	echo "glulam: making $(VENV) with $$python; downloads about 0.3 GB with torch's CPU build, about 3 GB with the CUDA build that Linux gets unless TORCH_INDEX or pip's settings say otherwise."; \
	mkdir -p $(VENV) && : > $(MADE) && "$$python" -m venv $(VENV)
	@rm -f $(READY)
	$(PIP) --quiet $$(grep -E '^(editables|hatchling)==' workspace.txt)
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) "$$(grep '^torch[<=>]' workspace.txt)",@:)
	$(PIP) --no-build-isolation -r workspace.txt
	@$(PIP) --no-build-isolation --only-binary mettagrid -e ./plugins/mettagrid >$(VENV)/mettagrid.log 2>&1 || \
	  echo 'glulam: mettagrid could not be installed (wheels: Python 3.11 and 3.12 on Linux with glibc 2.34 and on Apple silicon), so `make run` cannot train; all else works. See $(VENV)/mettagrid.log.'
	@printf '%s\n' '$(CURDIR)' > $(READY)

run: venv
	@$(PY) -c 'import glulam_mettagrid' || { echo 'glulam: `make run` needs mettagrid, which is not installed: see $(VENV)/mettagrid.log.' >&2; exit 1; }
	$(PY) -m glulam_train.first_run --out $(OUT)

lint: venv
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

docs: venv
	$(PY) -m sphinx -nW --keep-going -q -b html docs build/docs

# One thread a worker: torch would otherwise start as many threads as there are cores in each.
test: lint docs
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --maxprocesses 4

evidence: venv
	$(PY) -m tests.evidence

clean:
	@if test -f $(MADE); then rm -rf $(VENV); fi
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis
