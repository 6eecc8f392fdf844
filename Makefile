# Each target makes or updates .venv by itself; `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo audit test lint package bench results docs linkcheck clean

.venv/.made: pyproject.toml
	@echo "making .venv; PyTorch is several GB, so this takes some minutes"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Spurlab needs Python 3.11 or newer: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.dev: .venv/.made
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/.made
	$(BIN)/spurlab run quickstart --out out/quickstart

audit: .venv/.made
	$(BIN)/spurlab audit --demo --out out/audit

test: .venv/.dev # `make test ALL=1` runs the slow ones too
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(if $(ALL),-m "slow or not slow") $(PYTEST_ARGS)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

package: .venv/.dev # what would be released, installed into an environment of its own, and the demo from there
	scripts/try_package.sh

bench: .venv/.dev # five minutes; `make bench FULL=1` takes an hour, `make bench BENCH_ARGS=training` runs one of them
	$(BIN)/python benchmarks/all.py $(if $(FULL),--full) $(BENCH_ARGS)

results: .venv/.made # draw the figures of docs/results again, from the rows that stand beside them
	for folder in docs/results/*/; do \
	    $(BIN)/spurlab report $$folder && rm -f $$folder/report.html $$folder/*.pdf $$folder/*.svg || exit 1; \
	done

.venv/.docs: .venv/.made
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

SPHINX = $(BIN)/python -m sphinx --fail-on-warning --keep-going --doctree-dir out/doctrees

docs: .venv/.docs # the site in out/site. Examples that have changed are executed: `ONLY=law` just that one, `PLAIN=1` none
	$(if $(PLAIN),PLAIN=1) $(if $(ONLY),ONLY="$(ONLY)") $(SPHINX) -b html docs out/site

linkcheck: .venv/.docs # asks every address outside, so it needs the internet
	PLAIN=1 $(SPHINX) -b linkcheck docs out/linkcheck

clean:
	rm -rf .venv out docs/api docs/gallery docs/glossary.rst examples/out
