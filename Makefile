VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: install demo test lint clean
install: $(STAMP)
ifneq ($(origin PYTHON),file)
	@[ "$$($(BIN)/python -V)" = "$$($(PYTHON) -V)" ] || { \
		echo "error: $(VENV) holds another Python than $(PYTHON): set VENV=... to another folder" >&2; exit 1; }
endif

$(STAMP): pyproject.toml setup.py constraints.txt requirements/detectron2.txt requirements/weights.txt tools/install.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh tools/install.sh
	touch $@

# the smallest part of the flagship study
demo: install
	@echo "Training two detectors that differ in one line, at the same time: takes some minutes on two cores."
	$(BIN)/python -W ignore tools/ablate.py --study projects/CrossEntropyVsFocal/study.py \
		--seeds 0 --only focal ce --jobs 2 --output output/demo train.eval_period=0

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# in the order of the files: ordered by number of tests, the slowest file would run last, and alone
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

clean:
	rm -rf $(VENV) output build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
