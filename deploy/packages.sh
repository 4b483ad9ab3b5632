# The Debian packages the project needs, in one place. Sourced; POSIX sh.

# To build.
packages_build='build-essential meson ninja-build pkg-config python3 python3-yaml libmicrohttpd-dev
    libjansson-dev libopenblas-dev libsqlite3-dev librandom123-dev libgnutls28-dev
    libcurl4-gnutls-dev zlib1g-dev libnlopt-dev libcairo2-dev'
# To run a built binary. Debian 13 has other names for what it built anew for 64-bit times.
case $(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}") in
11 | 12 | 22.04) t64= ;;
*) t64=t64 ;;
esac
packages_run="libmicrohttpd12$t64 libjansson4 libopenblas0-pthread libsqlite3-0
    libgnutls30$t64 libcurl3$t64-gnutls libstdc++6 zlib1g libnlopt0 libcairo2"
# To try it, and to test it.
packages_demo='curl ca-certificates'
packages_test='check curl ca-certificates openssl gfortran python3-jsonschema'
# For tests/adapters.sh.
packages_adapters='python3-venv munge slurm-client slurmctld slurmd'

# Installs what is missing of the packages named; asks for nothing when all is there.
packages_install() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "missing packages:$missing (and no sudo)" >&2; return 1; }
        as_root=sudo
    fi
    echo "installing:$missing"
    $as_root apt-get update -qq
    # Through env, since sudo drops the variable.
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
