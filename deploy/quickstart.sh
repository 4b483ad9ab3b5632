#!/bin/sh
# From a bare Debian 12 to a trained surrogate: installs packages, builds a release, starts the
# server, runs the simulator, uploads, trains, predicts. The server then stays, in the foreground.
#
#   --demo-and-exit   stop the server at the end; the status is that of the demo
#
#   LISTEN   address and port      [127.0.0.1:8080]
#   DB       the registry file     [surrogated.db in the build folder]
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
listen=${LISTEN:-127.0.0.1:8080}
build=$top/build
db=${DB:-$build/surrogated.db}
stay=yes
case ${1:-} in
--demo-and-exit) stay=no ;;
'') ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

. "$top/deploy/packages.sh"
packages_install $packages_build $packages_demo

if [ ! -f "$build/build.ninja" ]; then
    log=$(meson setup "$build" "$top" --buildtype=release) || { echo "$log" >&2; exit 1; }
fi
ninja -C "$build" server/surrogated client-examples/simulation-farm/farm

taken() {
    echo "$listen is taken; LISTEN=127.0.0.1:8090 sh $0 uses another port" >&2
    exit 1
}
# Another server that answers there would pass for ours below.
! curl -s -o /dev/null --max-time 2 "http://$listen/healthz" || taken

# In a session of its own: Ctrl-C reaches this script alone, which then asks the server to stop once.
# A second signal would end it in the middle of its work.
setsid "$build/server/surrogated" serve --listen "$listen" --db "$db" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
trap 'exit 130' HUP INT TERM
tries=0
until "$build/server/surrogated" healthcheck --listen "$listen" 2>/dev/null; do
    tries=$((tries + 1))
    if ! kill -0 "$server" 2>/dev/null || [ "$tries" -gt 100 ]; then
        echo "the server did not start; LISTEN=127.0.0.1:8090 sh $0 uses another port" >&2
        exit 1
    fi
    sleep 0.1
done

status=0
SURROGATED_URL="http://$listen" FARM="$build/client-examples/simulation-farm/farm" \
    sh "$top/client-examples/quickstart.sh" || status=$?

if [ "$stay" = no ]; then
    kill "$server"
    wait "$server" || status=$?
    trap - EXIT
    exit "$status"
fi

cat <<TXT

The server goes on at http://$listen with the registry $db. In another terminal:
  curl http://$listen/v1/models/reaction
  curl -d '{"inputs":[0.01,6,1,0.5],"return":["mean","std","quantiles"]}' http://$listen/v1/models/reaction/predict
  curl -X POST http://$listen/v1/models/reaction/train     trains again, as before
  curl http://$listen/v1/jobs
  curl http://$listen/metrics
Ctrl-C stops it.
TXT
wait "$server"
