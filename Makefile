VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
DEVELOPER = $(VENV)/.installed-developer

.PHONY: install demo notebooks test lint docs figures clean
install: $(STAMP)
ifneq ($(origin PYTHON),file)
	@[ "$$($(BIN)/python -V)" = "$$($(PYTHON) -V)" ] || { \
		echo "error: $(VENV) holds another Python than $(PYTHON): set VENV=... to another folder" >&2; exit 1; }
endif

$(STAMP): pyproject.toml setup.py constraints.txt requirements/detectron2.txt requirements/weights.txt tools/install.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh tools/install.sh
	touch $@

# what only tests and lint need
$(DEVELOPER): $(STAMP)
	$(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt -e ".[dev]"
	touch $@

demo: install
	@echo "Training four detectors, two at a time: takes two to three minutes on two cores."
	$(BIN)/python -W ignore tools/ablate.py --study projects/CrossEntropyVsFocal/demo.py --seeds 0 --jobs 2

notebooks: install
	$(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt -e ".[notebooks]"
	$(BIN)/python -m jupyter lab notebooks

lint: install $(DEVELOPER)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# in the order of the files: ordered by number of tests, the slowest file would run last, and alone
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# runs the notebooks, unless they and the package are as they were
docs: install
	$(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt -e ".[docs]"
	$(BIN)/python -W ignore -m sphinx -q -W --keep-going -b html docs output/docs
	@echo "The documentation is in output/docs/index.html"

# the pictures and tables of the documents, from docs/results and from code
figures: install
	$(BIN)/python -W ignore docs/refresh.py

clean:
	rm -rf $(VENV) output build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
