#!/usr/bin/env bash
# Installs what the build needs beyond Rust and a C compiler: cmake 3.26 or newer (HDF5 is built
# from source) and libclang (the V4L2 bindings are generated). Works with and without root: what
# the system lacks comes as Python packages into the tools folder.
set -euo pipefail
tools=${1:-.tools}
python=${2:-python3}

for program in cc "$python" cargo; do
    command -v "$program" >/dev/null || {
        echo "setup: '$program' is missing; install a C compiler, Python 3.11 and Rust (rustup)" >&2
        exit 1
    }
done
mkdir -p "$tools/bin" "$tools/lib"

fresh_enough() { # version >= 3.26
    [ "$(printf '%s\n3.26\n' "$1" | sort -V | head -1)" = 3.26 ]
}
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo "$@"; else return 1; fi
}
have_pip() { "$python" -m pip --version >/dev/null 2>&1; }

system_cmake=$(command -v cmake || true)
if [ -n "$system_cmake" ] && fresh_enough "$("$system_cmake" --version | awk 'NR==1 {print $3}')"; then
    cmake=$system_cmake
fi
libclang=$(ls /usr/lib/llvm-*/lib/libclang.so* /usr/lib/*/libclang.so* /usr/lib/*/libclang-[0-9]*.so* 2>/dev/null | head -1 || true)

if [ -z "${cmake:-}" ] || [ -z "$libclang" ]; then
    if ! have_pip; then
        echo "setup: installing pip"
        as_root apt-get update -qq && as_root apt-get install -y -qq python3-pip || {
            echo "setup: neither pip nor root: install python3-pip, or cmake >= 3.26 and libclang-dev" >&2
            exit 1
        }
    fi
    echo "setup: fetching cmake and libclang as Python packages into $tools"
    "$python" -m pip install --quiet --disable-pip-version-check --upgrade \
        --target "$tools/python" 'cmake>=3.26' 'libclang>=16'
    cmake=${cmake:-../python/cmake/data/bin/cmake}
    libclang=${libclang:-../python/clang/native/libclang.so}
fi
ln -sfn "$cmake" "$tools/bin/cmake"
ln -sfn "$libclang" "$tools/lib/libclang.so"
# A bare libclang does not carry the compiler's own headers.
ln -sfn "$(cc -print-file-name=include)" "$tools/include"
"$tools/bin/cmake" --version | head -1
touch "$tools/ready"
