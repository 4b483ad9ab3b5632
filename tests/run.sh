#!/bin/sh
# Every test: a build with warnings as errors, then the same under AddressSanitizer with UBSan and
# under ThreadSanitizer. Installs what it needs. Ends with the line "N passed, N failed".
#
#   BUILDS="plain asan tsan"   which of the three
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
builds=${BUILDS:-plain asan tsan}
export OPENBLAS_NUM_THREADS=1

. "$top/deploy/packages.sh"
packages_install $packages_build $packages_test

options() {
    case $1 in
    plain) echo "--buildtype=debugoptimized" ;;
    asan) echo "--buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false" ;;
    tsan) echo "--buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false" ;;
    *) echo "unknown build $1" >&2; exit 2 ;;
    esac
}

# Style needs no sanitizer; slow suites run once; programs of one thread have no races.
suites() {
    case $1 in
    plain) ;;
    tsan) echo "--no-suite style --no-suite slow --no-suite one_thread" ;;
    *) echo "--no-suite style --no-suite slow" ;;
    esac
}

# One test more than there are processors: those of a running server wait for much of their time.
at_once=$(($(nproc) + 1))

failed=0
logs=
for build in $builds; do
    folder=$top/build-test-$build
    log=$folder/meson-logs/testlog.json
    logs="$logs $log"
    echo "== $build"
    # The results of an earlier run are not results of this one: no log counts as a failure.
    rm -f "$log"
    if [ ! -f "$folder/build.ninja" ]; then
        out=$(meson setup "$folder" "$top" -Dwerror=true $(options "$build")) ||
            { echo "$out"; failed=1; continue; }
    fi
    ninja -C "$folder" >"$folder/ninja.log" 2>&1 || { cat "$folder/ninja.log"; failed=1; continue; }
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        TSAN_OPTIONS=halt_on_error=1:suppressions=$top/tests/tsan.supp \
        meson test -C "$folder" --num-processes "$at_once" --print-errorlogs --timeout-multiplier 4 $(suites "$build") ||
        failed=1
done

python3 - $logs <<'PY' || failed=1
import json, os, sys
counts = {"OK": 0, "SKIP": 0}
bad = 0
for path in sys.argv[1:]:
    if not os.path.exists(path):
        print(f"{path}: this build ran no tests")
        bad += 1
        continue
    for line in open(path, encoding="utf-8"):
        result = json.loads(line)["result"]
        if result in counts:
            counts[result] += 1
        else:
            bad += 1
if counts["SKIP"]:
    print(f"{counts['SKIP']} skipped")
print(f"{counts['OK']} passed, {bad} failed")
sys.exit(bad > 0 or counts["OK"] == 0)
PY
exit $failed
