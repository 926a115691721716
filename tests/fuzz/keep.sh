#!/usr/bin/env bash
# Keeps of what the fuzzers found the inputs that reach anything new, none above 6000 bytes, 120 inputs
# and 40 KB a target: keep.sh [TARGET...]; all by default. Inputs that are named by hand stay.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
[ $# -gt 0 ] || set -- $(cd tests/fuzz/corpus && ls)
for target in "$@"; do
    kept=$PWD/tests/fuzz/corpus/$target
    find "$kept" -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
    small=$(mktemp -d)
    find "$out/corpus/$target" -type f -size -6001c -exec cp -t "$small" {} +
    merged=$(mktemp -d)
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 "$out/$host/release/$target" -merge=1 \
        -timeout=10 -rss_limit_mb=6000 "$merged" "$kept" "$small" > "$out/logs/$target.merge.log" 2>&1
    # Of all sizes, from the smallest up to the limit.
    total=0
    found=$(find "$merged" -type f | wc -l)
    step=$(((found + 119) / 120))
    while read -r size path; do
        total=$((total + size))
        [ $total -gt 40000 ] && break
        cp -n "$path" "$kept/"
    done < <(find "$merged" -regextype posix-extended -regex '.*/[0-9a-f]{40}' -printf '%s %p\n' | sort -n |
        awk -v step="$step" 'NR % step == 0')
    rm -rf "$small" "$merged"
    printf '%-16s %4d inputs, %6d bytes\n' "$target" "$(ls "$kept" | wc -l)" "$(cat "$kept"/* | wc -c)"
done
