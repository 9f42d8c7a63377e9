# A machine needs Python >= 3.10, make and git; the rest is installed into .venv. `make PYTHON=python3.12 test` takes
# another Python, `make PYTHONS="/opt/py/bin/python3.14" test` tests with one that is not found by itself.

PYTHON ?= python3
PYTHONS ?=
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := $(BIN)/python
# One process more than there are cores. A file stays together, for what its tests share; what takes long comes first.
SPREAD := -n auto --dist loadfile --no-loadscope-reorder

.PHONY: help venv demo test fast nightly lint docs browser trial matrix fuzz abuse audit windows platform-report bench clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' Makefile

venv: .venv/stamp  ## the environment that all the others run in

.venv/stamp: pyproject.toml .ci/environment.py
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("freshwheel needs Python 3.10 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": name another one, as in `make PYTHON=python3.12 test`")'
	@$(PYTHON) .ci/environment.py .venv test
	@touch .venv/stamp

demo: venv  ## a Rust project is installed, edited, installed again, taken back
	@$(RUN) .ci/demo.py

test: lint docs  ## lint, the site, the fast tests on the oldest other CPython here, then the whole suite
	@$(RUN) .ci/pythons.py $(PYTHONS)
	@$(RUN) -m pytest $(SPREAD) -m "not trial and not nightly"

fast: venv  ## the tests that run no installer and no compiler
	@$(RUN) -m pytest $(SPREAD) -m "not slow and not trial"

lint: venv  ## ruff and mypy
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy

docs: venv  ## the site of the documentation, into build/site
	@$(RUN) .ci/docs.py

browser: docs  ## the site in a headless Chromium, which must be here with npm: widths, light and dark, WCAG AA
	@npm install --silent --no-audit --no-fund --prefix build/browser playwright-core@1 axe-core@4
	@cp .ci/browser.mjs build/browser/
	@node build/browser/browser.mjs build/site build/pictures

trial: venv  ## real projects from PyPI, wrapped by hand, then by freshwheel init: many minutes
	@$(RUN) benchmarks/trial.py
	@$(RUN) benchmarks/adopting.py
	@$(RUN) benchmarks/alike.py
	@$(RUN) benchmarks/inclusion.py

matrix: venv  ## every installer in every situation, and the page about them: half an hour
	@$(RUN) .ci/matrix.py

fuzz: venv  ## 100,000 changes of small trees: what is remembered, found and worked out slowly agrees
	@$(RUN) tests/fuzz.py

abuse: venv  ## store and hooks under kills, damage, full disks, edits and crowds: an hour
	@ABUSE=20 $(RUN) -m pytest -q --durations=20 tests/store tests/abuse tests/frontends/test_runs.py tests/chance

audit: venv  ## builds under strace: each file that a process opens is an input, in the key or in the account
	@$(RUN) benchmarks/audit.py --trial

windows: venv  ## tests on the CPython of Windows, below wine
	@$(RUN) .ci/windows.py

platform-report: venv  ## what freshwheel finds and does on this machine, to be pasted into an issue
	@$(RUN) .ci/platform_report.py

nightly: trial matrix fuzz abuse audit windows  ## all that takes too long for each push: hours
	@$(RUN) .ci/pythons.py --all $(PYTHONS)
	@$(RUN) -m pytest $(SPREAD) -m nightly

bench: venv  ## what freshwheel costs
	@$(RUN) benchmarks/rewrite.py
	@$(RUN) benchmarks/digest.py
	@$(RUN) benchmarks/hit.py
	@$(RUN) benchmarks/observed.py
	@$(RUN) benchmarks/edited.py
	@$(RUN) benchmarks/in_the_way.py

clean:  ## as after a clone
	rm -rf .venv .venv-docs .venv-pythons .venv-windows .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests benchmarks .ci -name __pycache__ -type d -prune -exec rm -rf {} +
