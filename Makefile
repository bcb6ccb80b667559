# GNU make 3.81 or newer and Python 3.11, 3.12 or 3.13; `make` alone says what there is.
# Paths in here are relative to this file, so it works from any folder (make -C) and with spaces in the checkout's path.

# A Python to make the environment with; empty: the first suitable one of those below.
PYTHON ?=
PYTHONS = $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3)
SUITABLE = import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

BIN = .venv/bin
READY = .venv/.complete
PIP = $(BIN)/python -m pip install --disable-pip-version-check
# Compiled, as pip does it: where nothing may write later (PYTHONDONTWRITEBYTECODE, somebody else's folder), each start of
# TensorFlow would compile it again.
UV = uv pip install --compile-bytecode --python $(BIN)/python
# What $(1), one of these two, installs. setuptools goes first, so that the source archives of the lock are built with it and not
# with an unpinned one.
INSTALL = $(1) --quiet --require-hashes -r .venv/setuptools.lock && \
  $(1) --require-hashes --no-build-isolation -r requirements.lock && $(1) --quiet --no-deps --no-build-isolation -e .

# Every step gets the folder of corpora as an absolute path: notebooks run in their own folder.
ifneq ($(SERMODULES_DATA),)
given := $(SERMODULES_DATA)
override SERMODULES_DATA := $(shell unset CDPATH; \
  for base in "$(PWD)" "$(CURDIR)"; do cd "$$base" && cd "$(given)" && pwd && break; done 2>/dev/null)
ifeq ($(SERMODULES_DATA),)
$(error SERMODULES_DATA is "$(given)", but there is no such folder: name the folder that holds the corpora, or unset it)
endif
export SERMODULES_DATA
endif
unexport PYTHONPATH PYTHONHOME

.PHONY: help env study test test-all bench book epub pdf slides zip lab student lock clean
.NOTPARALLEL:

help:
	@echo "make study   set up, make the synthetic corpus, run studies/quick.yaml, build the book, print the table"
	@echo "make test    set up, check the style, run the tests and notebooks, build the book and the EPUB and check their pages"
	@echo "make test-all  the same with the tests that take minutes each, such as twenty kills and the benchmarks"
	@echo "make book    build the book into _build/html; a warning is an error"
	@echo "make bench   measure speed and memory beside other programs; nothing else should run meanwhile"
	@echo "make epub    build the book, then _build/epub/sermodules.epub from the same pages"
	@echo "make pdf     build the book, then _build/latex/sermodules.pdf; needs TeX"
	@echo "make slides  build the book, then the slides and handouts of the course in _build/slides; needs no network"
	@echo "make zip     the same, and all in one file for machines that have nothing: _build/sermodules-book.zip"
	@echo "make lab     open the chapters in JupyterLab"
	@echo "make student copy the chapters without their solutions to _build/student"
	@echo "make env     only set up: .venv with the versions of requirements.lock"
	@echo "make lock    write requirements.lock anew after a change in requirements.txt or requirements-test.txt"
	@echo "make clean   remove the built book and the caches of the tools; runs/, data/ and .venv stay"

env: $(READY)

# Without the file .complete the environment was never finished: start over. With it, bring it up to date in place.
# uv installs: the user's own, else the one of the lock. Where it cannot, pip does the same from the same lock in some minutes.
$(READY): requirements.lock pyproject.toml
	@if [ ! -e $(READY) ]; then \
	  for python in $(PYTHONS); do \
	    if "$$python" -c '$(SUITABLE)' 2>/dev/null; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "No Python 3.11, 3.12 or 3.13 (with its venv module) among: "$(PYTHONS) >&2; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; \
	    exit 1; \
	  fi; \
	  echo "Setting up .venv with $$("$$found" --version): some 240 packages, 4 GB."; \
	  rm -rf .venv && "$$found" -m venv .venv; \
	fi
	@for package in setuptools uv; do \
	  awk -v line="^$$package==" '/^[a-z]/ { keep = $$0 ~ line } keep' requirements.lock > .venv/$$package.lock; \
	done
	@PATH="$$PATH:$(CURDIR)/$(BIN)"; \
	if command -v uv >/dev/null || $(PIP) --quiet --only-binary :all: --require-hashes -r .venv/uv.lock; then \
	  $(call INSTALL,$(UV)) && exit; \
	  echo "uv could not install the packages. Now pip does, which takes some minutes." >&2; \
	else \
	  echo "uv cannot be had here. pip installs the packages, which takes some minutes." >&2; \
	fi; \
	$(call INSTALL,$(PIP))
	@mkdir -p .venv/etc/ipython
	@echo "c.IPKernelApp.log_level = 'ERROR'  # not at every start a warning that a local kernel is not encrypted" \
	  > .venv/etc/ipython/ipython_kernel_config.py
	@touch $(READY)
	@echo "Ready. In each new terminal: . .venv/bin/activate"

study: $(READY)
	$(BIN)/python -m sermodules corpora make synthetic
	$(BIN)/python -m sermodules study run studies/quick.yaml
	@$(MAKE) --no-print-directory book
	$(BIN)/python -m sermodules study report studies/quick.yaml
	@echo "The book is built. Open this file in a browser: $(CURDIR)/_build/html/index.html"

# --runslow, or nothing: without it tests that take minutes are skipped.
SLOW =

# A file of tests goes to one of two processes; tests/conftest.py says which files go first.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Each of two processes takes half of the tests, and then what the other has left.
SHARED = $(BIN)/python -m pytest -n 2 --dist worksteal

# Tests that start processes of their own and watch the clock: nothing else runs beside them.
ALONE = tests/test_engine.py

# Tests of the built book.
BUILT = tests/test_book.py tests/test_jupyterlab.py tests/test_lecture.py

test: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(PYTEST) $(SLOW) $(addprefix --ignore=,$(ALONE) $(BUILT))
	$(SHARED) $(SLOW) $(ALONE)
	SERMODULES_RUNS="$(CURDIR)/_build/runs" $(PYTEST) --nbval --nbval-current-env --nbval-cell-timeout=300 book
	@$(MAKE) --no-print-directory epub
	$(SHARED) $(SLOW) $(BUILT)

test-all:
	@$(MAKE) --no-print-directory test SLOW=--runslow

bench: $(READY)
	$(BIN)/python -m benchmarks

# From empty, because a second build repeats no warning and keeps the pages of removed chapters. What ran before is not run
# again: outputs come from _build/.jupyter_cache, which book/_ext/sermodules_book.py empties when they are out of date.
book: $(READY)
	@rm -rf _build/html _build/.doctrees
	SERMODULES_RUNS="$(CURDIR)/_build/runs" $(BIN)/jupyter-book build . --all -W -n --keep-going
	@test -f _build/html/book/index.html || { echo "No page came out: is jupyter-book still version 1?" >&2; exit 1; }

# Both write the pages that `book` has just read in another form: nothing is run or read again.
epub: book
	@rm -rf _build/epub
	$(BIN)/jupyter-book build . --builder custom --custom-builder epub -W -n --keep-going
	@echo "The book is in _build/epub/sermodules.epub"

TEX = latexmk xelatex
pdf:
	@for program in $(TEX); do command -v $$program >/dev/null || { \
	  echo "make pdf needs TeX, but there is no $$program on this machine. On Debian or Ubuntu:" >&2; \
	  echo "apt-get install latexmk xindy texlive-xetex texlive-latex-extra texlive-fonts-recommended texlive-fonts-extra fonts-freefont-otf" >&2; \
	  exit 1; \
	}; done
	@$(MAKE) --no-print-directory book
	@rm -rf _build/latex
	LATEXMKOPTS=-interaction=nonstopmode $(BIN)/jupyter-book build . --builder pdflatex -n
	@echo "The book is in _build/latex/sermodules.pdf"

slides: book
	@rm -rf _build/slides
	@cd book/_ext && "$(CURDIR)/$(BIN)/python" -m lecture "$(CURDIR)/_build/html" "$(CURDIR)/_build/slides"

zip: slides student
	@rm -rf _build/zip _build/sermodules-book.zip
	@mkdir -p _build/zip && cp -R _build/html _build/zip/sermodules-book
	@cp -R _build/slides _build/student _build/zip/sermodules-book
	@$(BIN)/python -c "import shutil; shutil.make_archive('_build/sermodules-book', 'zip', '_build/zip')"
	@echo "The book is in _build/sermodules-book.zip: unpack it, and open index.html in a browser"

lab: $(READY)
	$(BIN)/jupyter-lab book

student: $(READY)
	@rm -rf _build/student
	$(BIN)/jupyter nbconvert --log-level=WARN --to notebook --output-dir _build/student \
	  --ClearOutputPreprocessor.enabled=True --TagRemovePreprocessor.enabled=True \
	  --TagRemovePreprocessor.remove_cell_tags=solution book/*.ipynb
	@for page in $(filter-out book/instructors.md,$(wildcard book/*.md)); do cp "$$page" _build/student || exit; done
	@echo "Chapters without solutions are in _build/student"

lock: $(READY)
	grep -v '^-e' requirements.txt | $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	  --generate-hashes --custom-compile-command "make lock" --output-file requirements.lock - requirements-test.txt

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
