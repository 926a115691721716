# Two commands do everything: `make demo` and `make test`.
SHELL := bash
CARGO ?= cargo
PYTHON ?= python3
TOOLS := .tools

.PHONY: demo test setup lint bench accuracy peers test-python clean

demo: setup                 ## build, simulate a cell that shorts, measure it
	$(CARGO) build --release
	./target/release/liwatch demo --out out

test: setup test-python     ## everything that CI checks
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps
	$(CARGO) test

bench: setup                ## frames per second of each stage and of the whole
	$(CARGO) bench --bench stages
	$(CARGO) bench --bench end_to_end
	$(CARGO) bench --bench storage
	$(CARGO) bench --bench recording

accuracy: setup            ## registration and front against their bounds, and through upsets
	$(CARGO) bench --bench registration
	$(CARGO) bench --bench front
	$(CARGO) bench --bench upsets

peers: setup target/peers/ready   ## liwatch and the programs that benches/peers compares it with
	$(CARGO) build --release

target/peers/ready: benches/peers/requirements.txt
	$(PYTHON) -m venv target/peers/venv || { $(PYTHON) -m pip install --quiet --target target/virtualenv virtualenv && PYTHONPATH=target/virtualenv $(PYTHON) -m virtualenv target/peers/venv; }
	target/peers/venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

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
