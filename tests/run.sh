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

# Style needs no sanitizer; slow suites run once.
suites() {
    case $1 in
    plain) ;;
    *) echo "--no-suite style --no-suite slow" ;;
    esac
}

failed=0
logs=
for build in $builds; do
    folder=$top/build-test-$build
    echo "== $build"
    [ -f "$folder/build.ninja" ] ||
        meson setup "$folder" "$top" -Dwerror=true $(options "$build") >/dev/null
    ninja -C "$folder" >"$folder/ninja.log" 2>&1 || { cat "$folder/ninja.log"; exit 1; }
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        TSAN_OPTIONS=halt_on_error=1:suppressions=$top/tests/tsan.supp \
        meson test -C "$folder" --print-errorlogs --timeout-multiplier 4 $(suites "$build") ||
        failed=1
    logs="$logs $folder/meson-logs/testlog.json"
done

python3 - $logs <<'PY' || failed=1
import json, sys
counts = {"OK": 0, "SKIP": 0}
bad = 0
for path in sys.argv[1:]:
    for line in open(path, encoding="utf-8"):
        result = json.loads(line)["result"]
        if result in counts:
            counts[result] += 1
        else:
            bad += 1
skipped = f", {counts['SKIP']} skipped" if counts["SKIP"] else ""
print(f"{counts['OK']} passed, {bad} failed{skipped}")
sys.exit(bad > 0 or counts["OK"] == 0)
PY
exit $failed
