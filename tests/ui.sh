#!/bin/sh
# The page at /ui/ in Chromium: what it shows against what the API answers, at three sizes in both themes, with
# axe-core's check for accessibility. It takes some minutes.
#
#   sh tests/ui.sh [TEST ...]        such as test_ui_page.py, or nothing for all
#
#   BUILD=build             where the binary is
#   UI_VENV=FOLDER          where Playwright (PyPI) and axe-core (npm) are installed when they are not there
#   UI_SHOTS=FOLDER         where every view is left as a picture, to be looked at
#   UI_PICTURES=.github     makes the two pictures of README.md again
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
venv=${UI_VENV:-${TMPDIR:-/tmp}/surrogated-ui}

[ -x "$build/server/surrogated" ] ||
    { echo "there is no $build/server/surrogated: build it first (ninja -C $build)" >&2; exit 2; }
command -v chromium >/dev/null || { echo "chromium is missing: apt-get install chromium" >&2; exit 2; }
if [ ! -d "$venv/playwright" ]; then
    echo "installing Playwright into $venv"
    python3 -m venv "$venv" || { echo "python3 makes no venv: apt-get install python3-venv" >&2; exit 2; }
    "$venv/bin/pip" install -q 'playwright>=1.50,<2' ||
        { echo "Playwright cannot be installed from PyPI: is there a network?" >&2; exit 2; }
    mkdir "$venv/playwright"
fi
axe=$venv/node_modules/axe-core/axe.min.js
if [ ! -f "$axe" ]; then
    if command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix "$venv" axe-core >/dev/null; then
        :
    else
        echo "axe-core is not checked: npm is missing or reaches nothing (apt-get install npm)" >&2
    fi
fi
[ ! -f "$axe" ] || export AXE_CORE="$axe"
for folder in "${UI_SHOTS:-}" "${UI_PICTURES:-}"; do
    [ -z "$folder" ] || mkdir -p "$folder"
done
cd "$top"
[ $# -gt 0 ] || set -- test_ui_files.py test_ui_page.py test_ui_field.py test_ui_access.py test_ui_sizes.py
failed=
for name; do
    echo "$name"
    SURROGATED_BIN=$build/server/surrogated PYTHONPATH=$top/tests/process:$top/tests/process/access \
        "$venv/bin/python" "tests/browser/$name" || failed="$failed $name"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
