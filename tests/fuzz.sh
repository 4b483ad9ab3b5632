#!/bin/sh
# Runs the fuzz targets under libFuzzer, with AddressSanitizer and UBSan, each from its corpus, past
# findings, seeds and words. Needs clang 14. Not part of the default test run, which replays the
# corpus without libFuzzer.
#
#   sh tests/fuzz.sh               every target for a minute
#   sh tests/fuzz.sh http token    these
#
#   FUZZ_SECONDS=300   of each target   [60]
#   MERGE=1            then replaces tests/fuzz/corpus/TARGET by the smallest set of inputs that
#                      reaches as much
#
# A finding is left in build-fuzz/findings/TARGET/. Put it into tests/fuzz/regress/TARGET/ under a
# name that says what it is.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build-fuzz
seconds=${FUZZ_SECONDS:-60}
max_bytes=4096 # of an input, as in tests/fuzz/driver.c

. "$top/deploy/packages.sh"
packages_install $packages_build clang-14 libclang-rt-14-dev

if [ ! -f "$build/build.ninja" ]; then
    CC=${CC:-clang-14} CXX=${CXX:-clang++-14} meson setup "$build" "$top" \
        --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false \
        -Dc_args=-fsanitize=fuzzer-no-link -Dcpp_args=-fsanitize=fuzzer-no-link >/dev/null
fi
if [ $# -eq 0 ]; then
    for folder in "$top"/tests/fuzz/corpus/*/; do
        set -- "$@" "$(basename "$folder")"
    done
fi
programs=
for target in "$@"; do
    programs="$programs tests/fuzz/fuzz_$target tests/fuzz/libfuzzer_$target"
done
ninja -C "$build" $programs >"$build/ninja.log" 2>&1 || { cat "$build/ninja.log"; exit 1; }

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 OPENBLAS_NUM_THREADS=1
failed=0
for target in "$@"; do
    corpus=$top/tests/fuzz/corpus/$target
    regress=$top/tests/fuzz/regress/$target
    seeds=$build/seeds/$target
    found=$build/found/$target
    findings=$build/findings/$target
    log=$build/fuzz-$target.log
    mkdir -p "$corpus" "$seeds" "$found" "$findings"
    "$build/tests/fuzz/fuzz_$target" -w "$seeds"
    fuzzer=$build/tests/fuzz/libfuzzer_$target
    if "$fuzzer" -max_total_time="$seconds" -max_len="$max_bytes" -timeout=20 -rss_limit_mb=4096 \
        -dict="$seeds/.dictionary" -artifact_prefix="$findings/" -print_final_stats=1 \
        "$found" "$corpus" "$regress" "$seeds" >"$log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs," \
            "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
    else
        failed=1
        echo "$target: FAILED"
        tail -n 40 "$log"
    fi
    [ "${MERGE:-0}" = 1 ] || continue
    rm -rf "$build/merged"
    mkdir "$build/merged"
    "$fuzzer" -merge=1 -use_counters=0 -max_len="$max_bytes" -artifact_prefix="$findings/" "$build/merged" "$corpus" "$regress" "$seeds" "$found" \
        >"$build/merge-$target.log" 2>&1
    rm -rf "$corpus"
    for file in "$build/merged"/*; do
        # A folder for each first digit, so that none gets long.
        part=$corpus/$(basename "$file" | cut -c 1)
        mkdir -p "$part"
        cp "$file" "$part/"
    done
done
exit $failed
