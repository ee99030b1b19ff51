#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the Debian packages of the work tree:
#
#   stack/packages.sh [DIRECTORY]      default: var/packages
#
# In a copy, because the build leaves its products beside and inside of what it builds.
set -euo pipefail
cd "$(dirname "$0")/.."

directory=$(realpath -m "${1:-var/packages}")
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$directory" "$copy/kemiscope"
git ls-files -z --cached --others --exclude-standard -- ':!tests' ':!bench' |
    tar --create --null --files-from - --ignore-failed-read | tar --extract --directory "$copy/kemiscope"

echo "building the packages of $(git describe --always --dirty), log in $directory/build.log"
# debhelper gives the build a home of its own, in which pip would download everything again.
export PIP_CACHE_DIR=${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pip}
if ! (cd "$copy/kemiscope" && dpkg-buildpackage --build=binary --no-sign) >"$directory/build.log" 2>&1; then
    tail -n 20 "$directory/build.log" >&2
    exit 1
fi
rm -f "$directory"/*.deb
mv "$copy"/*.deb "$directory"
ls "$directory"/*.deb
