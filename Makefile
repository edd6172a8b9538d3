# The course's commands. Each is a line or two of Python, so that it can be typed without make, on Windows as well.
# Variables: PYTHON, which makes the environment (the first here that fits); VENV, where it lies; ARGS, more options for
# a command. For colab-check: PYTHON313 makes the environment that COLAB holds.

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14) or sys.version_info[:3] == (3, 14, 1))
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11 python
FITTING = $(shell for p in $(PYTHONS); do "$$p" -c '$(FITS)' 2>/dev/null && echo "$$p" && break; done)
PYTHON ?= $(FITTING)
VENV ?= .venv
BIN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
COLAB ?= .venv-colab
PYTHON313 ?= python3.13

export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: help run test lab train bench badges site slides student colab-check browser-test clean

help:  ## list the commands (this one)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' Makefile

run: $(STAMP)  ## go through the course on the sample, quick mode; pages in build/
	@"$(BIN)" -m helpers.publishing.pages

test: $(STAMP)  ## ruff, the tests, and every notebook against its stored outputs
	"$(BIN)" -m ruff check helpers tests
	NOTEBOOK_MODE=quick "$(BIN)" -m pytest notebooks tests --nbval --nbval-current-env --nbval-cell-timeout=600 \
		--numprocesses 2 --dist loadscope --no-loadscope-reorder --durations 10

lab: $(STAMP)  ## open the notebooks in JupyterLab
	"$(BIN)" -m jupyterlab notebooks

train: $(STAMP)  ## train the network in full into runs/, or go on; ARGS="--epochs 12 --seed 1 --name mine" changes it
	"$(BIN)" -m helpers.training --network session_net --epochs 62 --resume $(ARGS)

bench: $(STAMP)  ## measure the speed of training against a plain pipeline
	"$(BIN)" -m helpers.bench $(ARGS)

badges: $(STAMP)  ## write the address in pyproject.toml into every notebook's badge and set-up cell
	"$(BIN)" -m helpers.publishing.badges

site: $(STAMP)  ## the course as a book: every notebook as it is stored, with search, in build/site/
	"$(BIN)" -m helpers.publishing.site

slides: $(STAMP)  ## the same as slides, in build/slides/; ARGS="--short" for 45 minutes, "--reveal FOLDER" without a network
	"$(BIN)" -m helpers.publishing.slides $(ARGS)

student: $(STAMP)  ## the notebooks without solutions, and without outputs to guess first, in build/student/
	"$(BIN)" -m helpers.publishing.student

colab-check: $(STAMP) $(COLAB)/.installed  ## run every notebook, as committed, twice in what Colab has; ARGS="04_network" chooses
	"$(BIN)" tests/colab/check.py "$(COLAB)/bin/python" $(ARGS)

browser-test: $(STAMP) site  ## look at the site and at JupyterLab with Chromium (playwright install chromium, or CHROMIUM=/path)
	"$(BIN)" -m pip install --disable-pip-version-check --quiet "playwright>=1.50" axe-playwright-python
	"$(BIN)" -m pytest tests/browser/check.py

clean:  ## remove build/ and caches; environment, data and runs stay
	rm -rf build .pytest_cache .ruff_cache .hypothesis
	find helpers tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, made anew in place when one of the two lists changes. The stamp is written last: what was broken off
# is taken up again by the next command. uv, where it is there, takes what pip would take.
LISTS := -r requirements.txt -c constraints.txt
LACKING := import re, sys, importlib.metadata as m; there = {d.name.lower() for d in m.distributions()}; \
	lacking = [n for n in re.findall("^[a-z-]+", open("requirements.txt").read(), re.M) if n not in there]; \
	sys.exit("Not everything could be installed. Lacking: " + (", ".join(lacking) or "newer versions") + ".\nIs there a " \
	"network, and does it reach PyPI (or what PIP_INDEX_URL names)? The same command goes on where it stopped.")
$(STAMP): requirements.txt constraints.txt
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || { echo 'The course needs Python 3.11 to 3.14. (torchvision refuses 3.14.1.) None of these is one: $(or $(PYTHON),$(PYTHONS)).' \
		'Name one: make $(MAKECMDGOALS) PYTHON=$(or $(FITTING),/path/to/python3.13)'; exit 1; }
	@echo "Preparing $(VENV), the first time only: up to 3 GB to fetch and 5 GB on the disk, 1 to 10 minutes without a word."
	@"$(PYTHON)" -m venv "$(VENV)"
	@if command -v uv >/dev/null; \
	then env $${PIP_INDEX_URL:+"UV_DEFAULT_INDEX=$$PIP_INDEX_URL"} $${PIP_EXTRA_INDEX_URL:+"UV_EXTRA_INDEX_URL=$$PIP_EXTRA_INDEX_URL"} \
		uv pip install --quiet --index-strategy unsafe-best-match --python "$(BIN)" $(LISTS); \
	else "$(BIN)" -m pip install --quiet --quiet --disable-pip-version-check $(LISTS); \
	fi || "$(BIN)" -c '$(LACKING)'
	@touch "$(STAMP)"

$(COLAB)/.installed: tests/colab/requirements.txt
	@"$(PYTHON313)" -c '' 2>/dev/null || { echo 'Colab has Python 3.13. Name one: make colab-check PYTHON313=/path/to/python3.13'; exit 1; }
	"$(PYTHON313)" -m venv "$(COLAB)"
	"$(COLAB)/bin/python" -m pip install --disable-pip-version-check -r tests/colab/requirements.txt
	@touch "$(COLAB)/.installed"
