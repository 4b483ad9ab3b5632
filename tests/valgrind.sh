#!/bin/sh
# Runs the test programs of core and server, and a real server under some requests, under valgrind's
# memcheck: no invalid access, no decision by what was never set, nothing definitely lost. Not part
# of the default test run, since it takes long.
#
#   sh tests/valgrind.sh                             all but what would take hours
#   sh tests/valgrind.sh core-codec process-framing  these tests, by meson's names
#
#   BUILD=folder   a build to use instead of build-valgrind
#
# valgrind does not know AVX-512 and tells programs that the processor has none; kernels and
# OpenBLAS then choose AVX2 by themselves.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build-valgrind}

. "$top/deploy/packages.sh"
packages_install $packages_build $packages_test valgrind

if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$top" --buildtype=debugoptimized >/dev/null
fi
ninja -C "$build" >"$build/ninja.log" 2>&1 || { cat "$build/ninja.log"; exit 1; }

# What is still reachable at the end of a program is not lost: libcheck and OpenBLAS keep it.
memcheck="valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite
    --errors-for-leak-kinds=definite --num-callers=30 --suppressions=$top/tests/valgrind.supp"
memcheck=$(echo $memcheck) # on one line
export CK_TIMEOUT_MULTIPLIER=100 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1

# Each of these would take an hour or more: solvers that train for long, and the whole server with
# each allocation, write and read failing in turn. The sanitizers run them.
# core-memory measures how much the C library's allocator gives back, in whose place valgrind has its own.
too_long='core-memory core-solver core-mcmc core-auto_runs core-evidence_race core-warm_runs core-warm_chains core-train core-conformal_train
    server-chaos server-faults server-power_cut server-fault_start'
if [ $# -eq 0 ]; then
    too_long=" $(echo $too_long) " # on one line, each between blanks
    for name in $(meson test -C "$build" --list --suite core --suite server --no-suite slow |
        sed -n 's|^surrogated:.* / ||p'); do
        case $too_long in
        *" $name "*) echo "$name is left out: tests/valgrind.sh says why" ;;
        *) set -- "$@" "$name" ;;
        esac
    done
    set -- "$@" process-index process-framing process-origins
fi

failed=0
programs=
for name in "$@"; do
    case $name in
    process-*)
        # The server is told to stop by a signal, and valgrind's exit status is then its own.
        printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$memcheck" "$build/server/surrogated" \
            >"$build/surrogated-memcheck"
        chmod +x "$build/surrogated-memcheck"
        test=$(find "$top/tests/process" -name "test_$(echo "${name#process-}" | tr - _).py")
        if SURROGATED_BIN=$build/surrogated-memcheck PYTHONPATH=$top/tests/process \
            python3 "$test" >"$build/$name.log" 2>&1; then
            echo "$name: OK"
        else
            failed=1
            tail -n 60 "$build/$name.log"
            echo "$name: FAILED"
        fi
        ;;
    *) programs="$programs $name" ;;
    esac
done
[ -z "$programs" ] ||
    meson test -C "$build" --no-rebuild --print-errorlogs --logbase memcheck --num-processes "$(nproc)" \
        --timeout-multiplier 100 --wrapper "$memcheck" $programs || failed=1
exit $failed
