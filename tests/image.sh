#!/bin/sh
# Builds deploy/Dockerfile and runs the image, without a Docker engine: buildah with chroot isolation
# over a base image made by debootstrap under the name the Dockerfile uses. Needs root. Not part of
# the default test run.
#
#   DEBIAN=bookworm   another release than the Dockerfile's own
#   MIRROR            where debootstrap finds Debian   [as the machine's own apt sources say]
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}") # release of this machine
debian=${DEBIAN:-$(sed -n 's/^ARG DEBIAN=//p' "$top/deploy/Dockerfile")}
base=docker.io/library/debian:$debian-slim
image=localhost/surrogated:test-$debian
port=${PORT:-18080}
work=$(mktemp -d)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs

. "$top/deploy/packages.sh"
packages_install buildah debootstrap curl

container=
server=
# The server is a grandchild of `buildah run`, which passes no signals on. Its parents are followed,
# since another server on this machine would bear the same name.
stop_server() {
    pids=$server
    while [ -n "$pids" ]; do
        for pid in $pids; do
            case $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") in
            '/usr/bin/surrogated serve '*) kill -TERM "$pid"; return 0 ;;
            esac
        done
        pids=$(for pid in $pids; do ps -o pid= --ppid "$pid"; done | tr -d ' ' | tr '\n' ' ')
        pids=${pids% }
    done
    return 1
}

finish() {
    [ -z "$server" ] || stop_server || true
    [ -z "$container" ] || buildah rm "$container" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

# A copy of the machine's own apt set-up, so that packages come from where this machine gets them.
# Passwords (auth.conf) stay out of the image. For another release than the machine's the list that
# debootstrap wrote remains.
apt_setup() {
    lists="sources.list sources.list.d"
    if [ "$debian" = "$own" ]; then
        rm -f "$1/etc/apt/sources.list" # debootstrap's own would name the same source twice
    else
        lists=
    fi
    for file in $lists apt.conf.d trusted.gpg.d; do
        [ ! -e "/etc/apt/$file" ] || cp -a "/etc/apt/$file" "$1/etc/apt/"
    done
    cp /etc/resolv.conf "$1/etc/" 2>/dev/null || true
    mkdir -p "$1/etc/ssl/certs"
    cp -aL /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/" 2>/dev/null || true
}

mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -n -e "s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) $own .*/\2/p" -e 's/^URIs: *\([^ ]*\).*/\1/p' |
        head -n 1
}

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    echo "== base image"
    debootstrap --variant=minbase "$debian" "$work/root" "${MIRROR:-$(mirror)}" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" >&2; exit 1; }
    apt_setup "$work/root"
    container=$(buildah from scratch)
    buildah add -q "$container" "$work/root" / >/dev/null
    buildah commit -q "$container" "$base" >/dev/null
    buildah rm "$container" >/dev/null
    container=
    rm -rf "$work/root"
fi

echo "== build"
# The docker format, since OCI's has no HEALTHCHECK.
buildah bud --pull-never -q --format docker --build-arg "DEBIAN=$debian" -f "$top/deploy/Dockerfile" -t "$image" "$top"

echo "== run"
container=$(buildah from --pull-never "$image")
user=$(buildah inspect --type container --format '{{.OCIv1.Config.User}}' "$container")
[ "$user" = 10001 ] || { echo "the image runs as \"$user\"" >&2; exit 1; }
buildah inspect --type container "$container" >"$work/inspect"
grep -q '"Healthcheck": {' "$work/inspect" || { echo "the image has no health check" >&2; exit 1; }
buildah run "$container" -- sh -c '[ "$(id -u)" = 10001 ]'
# The image's volumes are mounted by an engine; here the folder of the image serves.
buildah run --env "SURROGATED_LISTEN=127.0.0.1:$port" "$container" -- /usr/bin/surrogated serve \
    >"$work/server.log" 2>&1 &
server=$!
tries=0
until buildah run "$container" -- /usr/bin/surrogated healthcheck --listen "127.0.0.1:$port" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { cat "$work/server.log" >&2; exit 1; }
    sleep 0.2
done
curl -fsS "http://127.0.0.1:$port/v1/models"
echo
curl -fsS -X POST -H 'Content-Type: text/csv' --data-binary 'x,y
0,1
1,2' "http://127.0.0.1:$port/v1/models/m/data?outputs=1"
echo
stop_server || { echo "the server is not there any more" >&2; exit 1; }
status=0
wait "$server" || status=$?
server=
cat "$work/server.log"
[ "$status" -eq 0 ] && grep -q stopped "$work/server.log" ||
    { echo "no clean stop (status $status)" >&2; exit 1; }

echo "== run with a read-only root"
# As `docker run --read-only` with a volume: the image's root is mounted read-only, and what may be written
# is a file system of its own. The mounts are seen by these processes alone, and go with them.
root=$(buildah mount "$container")
cat >"$work/readonly.sh" <<'END'
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o uid=10001,gid=10001,mode=0700 tmpfs "$1/var/lib/surrogated"
exec chroot --userspec=10001:10001 "$1" /bin/sh -c '
    cd /var/lib/surrogated
    if touch /tmp/x 2>/dev/null || touch /var/x 2>/dev/null; then echo "the root can be written" >&2; exit 1; fi
    exec /usr/bin/surrogated serve --listen 127.0.0.1:'"$2"
END
unshare -m sh "$work/readonly.sh" "$root" "$port" >"$work/readonly.log" 2>&1 &
server=$!
tries=0
until curl -fsS "http://127.0.0.1:$port/readyz" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { cat "$work/readonly.log" >&2; exit 1; }
    sleep 0.2
done
[ "$(stat -c %u "/proc/$server")" = 10001 ] || { echo "the server has another user" >&2; exit 1; }
{ echo 'x,y'; seq 0 19 | while read -r i; do echo "$i,$((2 * i))"; done; } |
    curl -fsS -H 'Content-Type: text/csv' --data-binary @- "http://127.0.0.1:$port/v1/models/m/data?outputs=1" >/dev/null
curl -fsS -d '{"solver":"ensemble","settings":{"members":2,"epochs":50}}' "http://127.0.0.1:$port/v1/models/m/train" >/dev/null
tries=0
until curl -fsS -d '{"inputs":[[3]]}' "http://127.0.0.1:$port/v1/models/m/predict" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { cat "$work/readonly.log" >&2; exit 1; }
    sleep 0.2
done
echo
kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
[ "$status" -eq 0 ] || { cat "$work/readonly.log" >&2; exit 1; }
echo "the image builds, runs as a user without rights, also with a read-only root, is healthy and stops cleanly"
