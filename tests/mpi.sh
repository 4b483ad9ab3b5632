#!/bin/sh
# Training over MPI: every solver byte for byte alone and over 2 and 4 ranks, lost ranks, limits, rows of a server; and with
# scaling how long trainings take, on the processors there are and simulated beyond. Needs Open MPI (libopenmpi-dev).
#
#   sh tests/mpi.sh [same] [scaling]      both without a word; scaling takes some minutes
#
#   BUILD=build             where the binaries are; a release build for scaling
#   COSTS=2,12              scaling: latency in us and bandwidth in GB/s of another network than TCP on this machine
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${BUILD:-$top/build}" && pwd)
train=$build/server/outside/surrogated-train

[ -x "$train" ] || { echo "there is no $train: build it first (ninja -C $build)" >&2; exit 2; }
command -v mpirun >/dev/null && command -v mpicc >/dev/null ||
    { echo "mpirun or mpicc is missing: apt-get install libopenmpi-dev" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ $# -gt 0 ] || set -- same scaling
for what in "$@"; do
    case $what in
    same)
        MPI_RANKS=1,2,4 SURROGATED_TRAIN=$train SURROGATED_BIN=$build/server/surrogated \
            PYTHONPATH=$top/tests/process python3 "$top/tests/process/operate/test_mpi.py" -v
        ;;
    scaling)
        mpicc -O2 -Wall -Wextra "$top/tests/bench/ranks/mpi_costs.c" -o "$folder/mpi_costs"
        python3 "$top/tests/bench/ranks/mpi_scaling.py" "$train" "$folder/mpi_costs"
        ;;
    *)
        echo "$what is neither same nor scaling" >&2
        exit 2
        ;;
    esac
done
