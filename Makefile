# `make run`, `make check` and `make test` set everything up in .venv first; see README.md.
VENV ?= .venv
BIN := $(VENV)/bin
# Two tests at once, each on a core: most of them keep one busy.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

run: $(VENV)/installed
	$(BIN)/fast-nst train
	$(BIN)/fast-nst infer fast_nst/assets/photos --style sample_style -o stylized --overwrite
	@echo "Done: look at the pictures in stylized/ and at preview.jpg in the run's folder."

# For every save: under a minute.
check: lint
	$(PYTEST) -m "not integration and not slow and not cluster and not browser"

# Before a commit.
test: lint
	$(PYTEST)

# What `make test` leaves out.
slow: $(VENV)/installed
	$(PYTEST) -m "slow or cluster or browser"

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/installed: pyproject.toml
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

.PHONY: run check test slow lint

# The documentation, into site/; the variable silences a note on the successor of the theme.
docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "Look at site/index.html, or run: $(BIN)/python -m mkdocs serve"

.PHONY: docs
