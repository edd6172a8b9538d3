# The course's commands. Each is a line or two of Python, so that it can be typed without make, on Windows as well.
# Variables: PYTHON, which makes the environment; VENV, where it lies; ARGS, more options for a command.
# For colab-check: PYTHON313 makes the environment that COLAB holds.

PYTHON ?= python3
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
	@"$(BIN)" -m helpers.pages

test: $(STAMP)  ## ruff, the tests, and every notebook against its stored outputs
	"$(BIN)" -m ruff check helpers tests
	NOTEBOOK_MODE=quick "$(BIN)" -m pytest tests notebooks --nbval --nbval-current-env --nbval-cell-timeout=300

lab: $(STAMP)  ## open the notebooks in JupyterLab
	"$(BIN)" -m jupyterlab notebooks

train: $(STAMP)  ## train the network in full into runs/, or go on; ARGS="--epochs 12 --seed 1 --name mine" changes it
	"$(BIN)" -m helpers.training --network session_net --epochs 62 --resume $(ARGS)

bench: $(STAMP)  ## measure the speed of training against a plain pipeline
	"$(BIN)" -m helpers.bench $(ARGS)

badges: $(STAMP)  ## write the address in pyproject.toml into every notebook's badge and set-up cell
	"$(BIN)" -m helpers.colab

site: $(STAMP)  ## every notebook, as it is stored, as a page of a static site, in build/site/
	"$(BIN)" -m helpers.site

slides: $(STAMP)  ## the same as slides, in build/slides/; ARGS="--reveal FOLDER" for a room without a network
	"$(BIN)" -m helpers.slides $(ARGS)

student: $(STAMP)  ## the notebooks without the solutions of their exercises, in build/student/
	"$(BIN)" -m helpers.student

colab-check: $(STAMP) $(COLAB)/.installed  ## run every notebook, as committed, twice in what Colab has; ARGS="04_network" chooses
	"$(BIN)" tests/colab/check.py "$(COLAB)/bin/python" $(ARGS)

browser-test: $(STAMP) site  ## look at the site and at JupyterLab with Chromium, at a phone's and a projector's width
	"$(BIN)" -m pip install --disable-pip-version-check --quiet "playwright>=1.50"
	"$(BIN)" -m pytest tests/browser/check.py

clean:  ## remove pages and caches; the environment and the data stay
	rm -rf build .pytest_cache .ruff_cache .hypothesis helpers/__pycache__ tests/__pycache__

# The environment, made anew in place when one of the two lists changes. The stamp is written last: what was broken off
# is taken up again by the next command.
$(STAMP): requirements.txt constraints.txt
	@command -v "$(PYTHON)" >/dev/null || { echo 'There is no "$(PYTHON)" here: name a Python from 3.11 to 3.13, as in make run PYTHON=python3.12'; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("The course needs Python 3.11 to 3.13, and $(PYTHON) is %d.%d: name another, as in make run PYTHON=python3.12" % v)'
	@echo "Preparing $(VENV): some minutes and up to 5 GB, the first time only."
	"$(PYTHON)" -m venv "$(VENV)"
	"$(BIN)" -m pip install --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch "$(STAMP)"

$(COLAB)/.installed: tests/colab/requirements.txt
	"$(PYTHON313)" -m venv "$(COLAB)"
	"$(COLAB)/bin/python" -m pip install --disable-pip-version-check -r tests/colab/requirements.txt
	@touch "$(COLAB)/.installed"
