#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a training as a Job of Kubernetes. The server's settings are
#
#   launcher = env IMAGE=registry.example.org/surrogated:0.1.0 CLAIM=registry /path/of/launch.sh {command}
#   launch_program = /usr/bin/surrogated-train
#
# The pod has the image's surrogated-train and the claim of the server's volume, which must be one that several nodes can mount, or the
# pod's node is the server's. kubectl must be there, and the server's service account may make jobs: launcher.yaml.
#
#   MOUNT=/var/lib/surrogated   where the volume is, here and there
#   CPU=4 MEMORY=8Gi            what the pod asks for
#   PAUSE_S=2                   seconds between two looks at it
#   DRY_RUN=1                   only print the manifest
set -eu

job=training-$(date +%s)-$$
mount=${MOUNT:-/var/lib/surrogated}

# A JSON string; the words of the command are paths, numbers and names.
quote() { printf '"%s"' "$(printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"; }

command=
for word; do command="$command${command:+, }$(quote "$word")"; done

manifest() {
    cat <<END
{"apiVersion": "batch/v1", "kind": "Job",
 "metadata": {"name": "$job", "labels": {"app.kubernetes.io/name": "surrogated", "app.kubernetes.io/component": "training"}},
 "spec": {"backoffLimit": 0, "ttlSecondsAfterFinished": 600, "template": {
  "metadata": {"labels": {"app.kubernetes.io/name": "surrogated", "app.kubernetes.io/component": "training"}},
  "spec": {"restartPolicy": "Never", "automountServiceAccountToken": false,
   "securityContext": {"runAsNonRoot": true, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"}},
   "containers": [{"name": "training", "image": $(quote "$IMAGE"), "command": [$command],
    "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
    "resources": {"requests": {"cpu": "${CPU:-4}", "memory": "${MEMORY:-8Gi}"}, "limits": {"memory": "${MEMORY:-8Gi}"}},
    "volumeMounts": [{"name": "registry", "mountPath": $(quote "$mount")}]}],
   "volumes": [{"name": "registry", "persistentVolumeClaim": {"claimName": $(quote "$CLAIM")}}]}}}}
END
}

if [ -n "${DRY_RUN:-}" ]; then
    manifest
    exit
fi

remove() { kubectl delete job "$job" --wait=false >/dev/null 2>&1 || true; }
trap 'remove; exit 143' TERM INT
manifest | kubectl create -f - >/dev/null

# An API server that does not answer for a while is asked again.
status=
silent=0
while [ -z "$status" ]; do
    if state=$(kubectl get job "$job" -o 'jsonpath={.status.succeeded}/{.status.failed}'); then
        silent=0
        case $state in
        1/*) status=0 ;;
        */[1-9]*) status=1 ;;
        esac
    else
        silent=$((silent + 1))
        [ "$silent" -lt 30 ] || status=2
    fi
    # In the background, so that a signal is heard at once.
    [ -n "$status" ] || { sleep "${PAUSE_S:-2}" & wait $!; }
done
[ "$status" -eq 0 ] || kubectl logs "job/$job" --tail=3 || true
remove
exit "$status"
