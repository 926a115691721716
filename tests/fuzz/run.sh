#!/usr/bin/env bash
# Fuzzes each target for some minutes: run.sh MINUTES JOBS [TARGET...]; all targets by default.
# New inputs go to target/fuzz/corpus, what fails to target/fuzz/artifacts, the fuzzer's words to
# target/fuzz/logs. The exit status is 1 when anything failed. docs/fuzzing.md has the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:?usage: run.sh MINUTES JOBS [TARGET...]}
jobs=${2:?usage: run.sh MINUTES JOBS [TARGET...]}
shift 2
out=$PWD/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

# A compiler's flags for coverage and the address sanitizer are not stable; the compiler is.
export RUSTC_BOOTSTRAP=1
PATH=$PWD/.tools/bin:$PATH
if [ $# -eq 0 ]; then
    mapfile -t targets < <(cargo fuzz list --fuzz-dir tests/fuzz)
    set -- "${targets[@]}"
fi
cargo fuzz build --fuzz-dir tests/fuzz --target-dir "$out"

one() {
    local target=$1 seconds=$2 out=$3 host=$4
    mkdir -p "$out/corpus/$target" "$out/artifacts/$target" "$out/logs"
    # Damaged files can keep the HDF5 library busy for ever (docs/fuzzing.md): the fuzzer goes on in
    # a process of its own.
    local more=()
    [ "$target" = hdf5 ] && more=(-fork=1 -ignore_timeouts=1)
    # Names of journals' columns are kept for as long as the program runs, so nothing is leaked.
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
        "$out/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=6000 \
        -print_final_stats=1 "${more[@]}" -artifact_prefix="$out/artifacts/$target/" \
        "$out/corpus/$target" "tests/fuzz/corpus/$target" > "$out/logs/$target.log" 2>&1 &
    local fuzzer=$! status=0
    wait $fuzzer || status=1
    rm -rf "/dev/shm/liwatch-fuzz-$fuzzer" "${TMPDIR:-/tmp}/liwatch-fuzz-$fuzzer"
    local runs edges
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/logs/$target.log")
    edges=$(grep -o 'cov: [0-9]*' "$out/logs/$target.log" | sed -n '1p;$p' | tr -dc '0-9\n' | paste -sd' ')
    printf '%-16s %10s runs   edges %-14s %s\n' "$target" "${runs:-?}" "${edges/ / to }" \
        "$([ $status = 0 ] && echo sound || echo "FAILED: $out/logs/$target.log")"
    return $status
}
export -f one
printf '%s\n' "$@" | xargs -P "$jobs" -I{} bash -c 'one "$@"' _ {} $((minutes * 60)) "$out" "$host"
