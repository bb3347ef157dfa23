VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: install demo test lint clean
install: $(STAMP)

$(STAMP): pyproject.toml setup.py constraints.txt requirements/detectron2.txt requirements/weights.txt tools/install.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh tools/install.sh
	touch $@

demo: install
	$(BIN)/python -W ignore tools/demo.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

clean:
	rm -rf $(VENV) output build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
