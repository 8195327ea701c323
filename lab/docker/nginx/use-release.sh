#!/bin/sh
# Adds the Debian release $1 to apt's sources, from the same archive as the image's own.
set -eu
# shellcheck source=/dev/null
. /etc/os-release
release=$1
[ "$release" = "$VERSION_CODENAME" ] && exit 0
for source in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    [ -s "$source" ] || continue
    sed "s/$VERSION_CODENAME/$release/g" "$source" \
        > "/etc/apt/sources.list.d/$release.${source##*.}"
done
# Only what is asked for by name comes from there.
printf 'Package: *\nPin: release n=%s\nPin-Priority: 100\n' "$release" \
    > "/etc/apt/preferences.d/$release"
