#!/bin/sh
# Thousands of requests that schemathesis makes from the OpenAPI description, against a live server of the
# folder build; it takes some minutes.
#
#   sh tests/schemathesis.sh [SEED]
#
#   BUILD=build                 where the binary is
#   SCHEMATHESIS_VENV=FOLDER    where schemathesis is installed from PyPI when it is not there
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
venv=${SCHEMATHESIS_VENV:-${TMPDIR:-/tmp}/surrogated-schemathesis}

[ -x "$build/server/surrogated" ] ||
    { echo "there is no $build/server/surrogated: build it first (ninja -C $build)" >&2; exit 2; }
if [ ! -x "$venv/bin/schemathesis" ]; then
    echo "installing schemathesis into $venv"
    python3 -m venv "$venv" || { echo "python3 makes no venv: apt-get install python3-venv" >&2; exit 2; }
    "$venv/bin/pip" install -q 'schemathesis>=4.32,<5' ||
        { echo "schemathesis cannot be installed from PyPI: is there a network?" >&2; exit 2; }
fi
SURROGATED_BIN=$build/server/surrogated PYTHONPATH=$top/tests/process \
    exec python3 "$top/tests/process/description/schemathesis_cases.py" "$venv/bin/schemathesis" "$@"
