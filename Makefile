# make run   sets everything up and opens the counter at http://127.0.0.1:8080
# make test  sets everything up and runs all tests
#
# Needs Python 3.11 or newer, git and make. PYTHON names another interpreter; TORCH_INDEX another
# package index for torch alone (PyTorch's own CPU index, say, where the default one would bring
# gigabytes of GPU libraries).

PYTHON ?= python3
TORCH ?= torch==2.13.0
# Reading the packaged base model and merging adapters into it. They ask for torch by themselves, so they can't
# stand in the locked files.
ACCELERATE ?= accelerate==1.15.0
PEFT ?= peft==0.21.2
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup run test check bench lock clean

setup: $(VENV)/.prepared

run: setup
	$(BIN)/teller run

test: $(VENV)/.dev $(VENV)/.prepared
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check bot adapters inference tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/teller check
	$(BIN)/teller kb lint

bench: $(VENV)/.dev $(VENV)/.prepared
	$(BIN)/python -m benchmarks

# torch first and by itself: its CPU builds differ from index to index, so it can't stand in a
# hash-locked file, and once it is there nothing else asks for another one.
$(VENV)/.torch:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Teller needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/.torch
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps $(ACCELERATE) $(PEFT)
	$(PIP) --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(PIP) --require-hashes -r requirements-dev.lock
	touch $@

# What would make the first start slow: embeddings of the knowledge, and the base model unpacked.
$(VENV)/.prepared: $(VENV)/.runtime
	$(BIN)/teller prepare
	touch $@

lock:
	$(PIP) uv
	for extra in "" "--extra dev"; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	    $$extra pyproject.toml -o requirements$${extra:+-dev}.lock; \
	done

clean:
	rm -rf $(VENV) data build *.egg-info
