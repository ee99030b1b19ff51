#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what is missing: packages of the distribution, and the virtual environment in .venv.
# Compiles what can be where there are a C compiler and Python's headers (gcc and python3-dev).
#
#   stack/install.sh [--dev] [further packages …]
#
# What is installed already stays as it is. A service that comes with a package installed here is
# neither started nor enabled, and no database cluster of the distribution is made.
set -euo pipefail
cd "$(dirname "$0")/.."

extra=''
if [ "${1:-}" = --dev ]; then
    extra='dev'
    shift
fi

fail() {
    echo "kemiscope: $*" >&2
    exit 1
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
if command -v dpkg-query >/dev/null; then
    for package in kamailio kamailio-python3-modules python3-venv iproute2 make "$@"; do
        installed "$package" || missing+=("$package")
    done
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
fi

as_root=()
if [ "${#missing[@]}" -gt 0 ] && [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
        fail "these packages are missing: ${missing[*]}. Install them as root, or install sudo."
    as_root=(sudo)
fi

install_packages() {
    # While this file says no, installing a package starts no service.
    local policy=/usr/sbin/policy-rc.d had_cluster=no service new=()
    for service in kamailio slapd prometheus; do
        installed "$service" || new+=("$service")
    done
    compgen -G '/etc/postgresql/*/main' >/dev/null && had_cluster=yes
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
        trap '"${as_root[@]}" rm -f '"$policy" EXIT
    fi
    echo "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! {
        "${as_root[@]}" apt-get -q update &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
                --no-install-recommends --no-upgrade install "${missing[@]}"
    } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "apt-get could not install ${missing[*]}; the lines above say why."
    fi
    rm -f "$log"
    for service in "${new[@]}"; do
        installed "$service" || continue
        "${as_root[@]}" update-rc.d "$service" disable >/dev/null 2>&1 || true
    done
    if [ "$had_cluster" = no ]; then
        for cluster in /etc/postgresql/*/main; do
            [ -d "$cluster" ] || continue
            "${as_root[@]}" pg_dropcluster "$(basename "$(dirname "$cluster")")" main
        done
    fi
}

[ "${#missing[@]}" -eq 0 ] || install_packages

[ -x /usr/bin/python3 ] || fail "/usr/bin/python3 is missing; Kamailio embeds the system's Python."
command -v kamailio >/dev/null || [ -x /usr/sbin/kamailio ] ||
    fail "Kamailio is missing; install kamailio 5.6 or newer with its app_python3 module."

# Kamailio embeds the system's Python, so the environment must be made from the same one.
[ -x .venv/bin/python ] || /usr/bin/python3 -m venv .venv ||
    fail "the virtual environment could not be made; remove .venv and try again."
include=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')
compiles=no
if command -v "${CC:-cc}" >/dev/null && [ -e "$include/Python.h" ]; then
    compiles=yes
    extra="${extra:+$extra,}compiled"
fi
[ -z "$extra" ] || extra="[$extra]"
stamp=.venv/installed$extra
if ! cmp -s pyproject.toml "$stamp"; then
    echo "installing the Python packages of pyproject.toml$extra into .venv"
    .venv/bin/pip install --quiet --disable-pip-version-check --editable ".$extra" ||
        fail "pip could not install the packages; the lines above say why."
    cp pyproject.toml "$stamp"
fi

# Messages cost less then. Without it all works alike, and `make doctor` says so.
if [ "$compiles" = yes ]; then
    .venv/bin/python -m collector.compiled.build --if-changed >/dev/null ||
        echo "some of it stays in plain Python; the line above says why" >&2
fi
