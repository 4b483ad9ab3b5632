#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A server beside Slurm: an array of simulations uploads, trainings run through srun and sbatch, a training is cancelled by
# scancel, by the server, and by the server's death. Debian's Slurm runs as a cluster of this machine alone; needs root. Of the folder
# build. Prints what it sees; not part of the default test run.
#
#   BUILD=build   where the binaries are
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}

[ "$(id -u)" -eq 0 ] || { echo "Slurm's daemons need root" >&2; exit 2; }
[ -x "$build/server/outside/surrogated-train" ] ||
    { echo "there is no $build/server/outside/surrogated-train: build it first (ninja -C $build)" >&2; exit 2; }
. "$top/deploy/packages.sh"
packages_install munge slurm-client slurmctld slurmd || exit 2

SURROGATED_BIN=$build/server/surrogated FARM_BIN=$build/client-examples/simulation-farm/farm \
    TRAIN_BIN=$build/server/outside/surrogated-train PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=$top/tests/process:$top/tests/process/adapters exec python3 "$top/tests/slurm.py"
