# Two commands do everything: `make demo` and `make test`.
SHELL := bash
CARGO ?= cargo
PYTHON ?= python3
TOOLS := .tools
SOAK_MINUTES ?= 30
SOAK_SIZE ?= 1024

# For `make fuzz`: minutes a target, how many at a time, which ones (all when empty).
MINUTES ?= 10
JOBS ?= 2
TARGETS ?=

.PHONY: demo test soak setup lint bench accuracy peers fuzz test-python clean

demo: setup                 ## build, simulate a cell that shorts, measure it
	$(CARGO) build --release
	./target/release/liwatch demo --out out

test: setup test-python     ## everything that CI checks
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps
	$(CARGO) test

soak: setup                 ## 30 minutes at the highest sustained rate with faults on (SOAK_MINUTES, SOAK_SIZE)
	LIWATCH_SOAK_MINUTES=$(SOAK_MINUTES) LIWATCH_SOAK_SIZE=$(SOAK_SIZE) $(CARGO) test --test it a_long_run -- --nocapture

bench: setup                ## frames per second of each stage and of the whole
	$(CARGO) bench --bench stages
	$(CARGO) bench --bench end_to_end
	$(CARGO) bench --bench deadlines
	$(CARGO) bench --bench storage
	$(CARGO) bench --bench recording

accuracy: setup            ## registration, front and crack against their bounds, and through upsets
	$(CARGO) bench --bench registration
	$(CARGO) bench --bench front
	$(CARGO) bench --bench upsets
	$(CARGO) bench --bench crack

peers: setup target/peers/ready   ## liwatch and the programs that benches/peers compares it with
	$(CARGO) build --release

target/peers/ready: benches/peers/requirements.txt
	$(PYTHON) -m venv target/peers/venv || { $(PYTHON) -m pip install --quiet --target target/virtualenv virtualenv && PYTHONPATH=target/virtualenv $(PYTHON) -m virtualenv target/peers/venv; }
	target/peers/venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

fuzz: setup $(TOOLS)/bin/cargo-fuzz   ## every parser against made-up bytes (docs/fuzzing.md)
	bash tests/fuzz/run.sh $(MINUTES) $(JOBS) $(TARGETS)

$(TOOLS)/bin/cargo-fuzz:
	CARGO_TARGET_DIR=target/tools $(CARGO) install cargo-fuzz --version 0.13.2 --locked --root $(TOOLS)

setup: $(TOOLS)/ready       ## what the build needs: cmake for HDF5, libclang for V4L2

$(TOOLS)/ready: tools/setup.sh
	bash tools/setup.sh $(TOOLS) $(PYTHON)

test-python: target/test-python/ready   ## h5py and friends, which read what liwatch wrote

target/test-python/ready: tests/python/requirements.txt
	$(PYTHON) -m venv target/test-python || { $(PYTHON) -m pip install --quiet --target target/virtualenv virtualenv && PYTHONPATH=target/virtualenv $(PYTHON) -m virtualenv target/test-python; }
	target/test-python/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

clean:
	$(CARGO) clean
	rm -rf $(TOOLS) out
