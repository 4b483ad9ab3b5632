#!/bin/sh
# Static analysis of core/ and server/: clang-tidy as .clang-tidy says, and cppcheck. A tool that is
# not installed is skipped with a word. Takes some minutes, so the suite of style does not run it.
#
#   sh tests/style/check_analysis.sh             all files
#   sh tests/style/check_analysis.sh FILE.c ..   these, by their path from the top
#
# A finding that is none is silenced at its line with its reason:
#   /* NOLINTNEXTLINE(check): reason */       for clang-tidy
#   /* cppcheck-suppress id ; reason */       for cppcheck
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
build=$top/build-analysis
cd "$top"
failed=0

first_of() {
    for name in "$@"; do
        command -v "$name" && return 0
    done
    return 1
}

# How each file is compiled, and the headers that are made during the build.
prepare() {
    if [ ! -f "$build/build.ninja" ]; then
        CC=clang-14 CXX=clang++-14 meson setup "$build" "$top" --buildtype=debugoptimized >/dev/null
    fi
    headers=$(ninja -C "$build" -t targets all | sed -n 's|^\(s[a-z]*/.*\.h\): .*|\1|p')
    ninja -C "$build" $headers >/dev/null
}

if [ $# -eq 0 ]; then
    set -- $(git ls-files 'core/*.c' 'server/*.c')
fi

if tidy=$(first_of clang-tidy-14) && command -v clang-14 >/dev/null; then
    prepare
    echo "clang-tidy: $# files"
    printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 "$tidy" -p "$build" --quiet 2>/dev/null || failed=1
else
    echo "clang-tidy: skipped, since clang-14 or clang-tidy-14 is not installed"
fi

if cppcheck=$(first_of cppcheck); then
    echo "cppcheck: $# files"
    # varFuncNullUB: NULL is a pointer in the C library's headers, and so may end a list.
    "$cppcheck" -j "$(nproc)" --quiet --error-exitcode=1 --std=c11 \
        --enable=warning,performance,portability --inline-suppr --suppress=varFuncNullUB \
        -DKERNELS_ISA=generic -DKERNELS_VECTOR=16 -Icore -Iserver "$@" || failed=1
else
    echo "cppcheck: skipped, since it is not installed"
fi
exit $failed
