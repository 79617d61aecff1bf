# `make` paints the samples in the gallery's styles; `make help` lists the targets, see README.md.
# Each level of $(VENV) installs what it needs on top of the one before: paint, train, dev.
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PHOTOS := fast_nst/assets/photos
# Two tests at once, each on a core: most of them keep one busy.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

run: $(VENV)/paint
	$(BIN)/fast-nst infer $(PHOTOS) --style starry_night -o stylized --overwrite
	for photo in astronaut chelsea coffee rocket; do $(BIN)/fast-nst styles $(PHOTOS)/$$photo.jpg \
	  --size 320 -o stylized/$${photo}_styles.jpg --overwrite || exit; done
	@echo "Done: look at stylized/. Each *_styles.jpg shows one photograph in all styles."
	@echo "Your own: $(BIN)/fast-nst infer PHOTO.jpg --style udnie -o painting.jpg"
	@echo "Next: make train, which trains a style of your own within minutes (installs PyTorch)"

# The default wheel of PyTorch for Linux brings CUDA, some GB. Without an NVIDIA GPU, its index of
# CPU wheels has a smaller one; see the line that is printed before the installation.
train: $(VENV)/train
	$(BIN)/fast-nst train --minutes 3 --style fast_nst/assets/sample_style.jpg
	$(BIN)/fast-nst infer $(PHOTOS) --style sample_style -o stylized/sample_style --overwrite
	@echo "Done: look at the pictures in stylized/sample_style/."
	@echo "Your own: $(BIN)/fast-nst train --minutes 3 --style PAINTING.jpg"

# What tests and checks need, beside all the extras.
dev: $(VENV)/dev

# For every save: under a minute.
check: lint
	$(PYTEST) -m "not integration and not slow and not cluster and not browser"

# Before a commit.
test: lint
	$(PYTEST)

# What `make test` leaves out.
slow: $(VENV)/dev
	$(PYTEST) -m "slow or cluster or browser"

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

help:
	@echo "make        paint the samples in the gallery's styles, into stylized/ (make run)"
	@echo "make train  train a first style, and paint the samples in it"
	@echo "make dev    install what tests and checks need"
	@echo "make check  lint, and the unit tests; make test: the integration tests as well"
	@echo "make slow   the remaining tests; make lint: ruff, mypy and lint-imports"
	@echo "make docs   the documentation, into site/"
	@echo "VENV=DIR    another virtual environment than .venv"

$(VENV)/paint: pyproject.toml
	python3 -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/train: $(VENV)/paint
	@echo "Installing PyTorch, some GB on Linux. Without an NVIDIA GPU, this is smaller; before it:"
	@echo "  $(BIN)/pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu"
	$(PIP) -e '.[train]'
	touch $@

$(VENV)/dev: $(VENV)/paint
	$(PIP) -e '.[dev]'
	touch $@

# The documentation, into site/; the variable silences a note on the successor of the theme.
docs: $(VENV)/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "Look at site/index.html, or run: $(BIN)/python -m mkdocs serve"

.DEFAULT_GOAL := run
.PHONY: run train dev check test slow lint docs help
