#!/bin/sh
# From a bare Debian 12 to a trained surrogate: installs the packages it needs, builds a release,
# starts the server, runs simulations, trains on them and predicts. The server then goes on running
# in the foreground, until Ctrl-C.
#
#   --demo-and-exit   stop the server at the end; the exit status is that of the demo
#
#   LISTEN   address and port of the server  [127.0.0.1:8080]
#   DB       the registry file               [build/surrogated.db]
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
    echo "another program answers at $listen; LISTEN=127.0.0.1:8090 sh $0 uses another port" >&2
    exit 1
}
# Below, a server that answers there already would be taken for ours.
! curl -s -o /dev/null --max-time 2 "http://$listen/healthz" || taken

# In a session of its own, so that Ctrl-C reaches this script alone, which then asks the server once
# to stop in good order.
echo "Starting the server; lines that begin with time= are its log."
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
url=http://$listen
SURROGATED_URL="$url" FARM="$build/client-examples/simulation-farm/farm" NEXT=$stay \
    sh "$top/client-examples/quickstart.sh" || status=$?

if [ "$stay" = no ]; then
    kill "$server"
    wait "$server" || status=$?
    trap - EXIT
    exit "$status"
fi

cat <<TXT
$build/server/surrogated models show reaction --server $url

The last line uses the program as a client: surrogated --help lists what it can do.
The server goes on at $url with the registry $db.
$url/ui/ shows it in a browser.
Try these in another terminal; Ctrl-C stops the server.
TXT
wait "$server"
