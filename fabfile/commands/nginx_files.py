"""Scripts on nginx's files: keep a copy, write in place, compare and test. Pure: nothing is run.

Each is one command on the server: what always follows each other waits for one round trip, and
for one `docker exec`, which takes the engine a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Mapping

UNSEEN = 66  # exit code: the container sees another file than the one that was written

# $1 the configuration, $2 the copy. Under a name that no `backup-*` matches until it is whole.
_KEEP = """
set -e
umask 022
cat "$1" > "$1.kept.new"
mv -f "$1.kept.new" "$2"
"""
# One copy under the guide's name, so that its `cp …/nginx.conf.backup-* …` has one source.
# $1 the configuration, $2 the copy that stays.
_ONLY = """
for old in "$1".backup-*; do
  if [ -e "$old" ] && [ "$old" != "$2" ]; then rm -f -- "$old"; fi
done
"""
# $1 the file, $2 its new content. A single-file mount holds the inode: it is written in place.
_WRITE = 'cat "$2" > "$1" && sync "$1"'
# Arguments in pairs: a file's sha256 and its path inside.
_SEEN = f"""
while [ "$#" -gt 0 ]; do
  seen=$(sha256sum "$2") || exit
  [ "${{seen%% *}}" = "$1" ] || exit {UNSEEN}
  shift 2
done
nginx -t
"""


def keep(path: str, copy: str) -> list[str]:
    """Copy the configuration that lies in place, and leave no older copy beside this one."""
    return ["sh", "-c", _KEEP + _ONLY, "sh", path, copy]


def keep_only(path: str, copy: str) -> list[str]:
    """Leave no older copy of a configuration beside this one."""
    return ["sh", "-c", _ONLY, "sh", path, copy]


def write_in_place(path: str, candidate: str) -> list[str]:
    """Write a file's new content into the very file that is mounted."""
    return ["sh", "-c", _WRITE, "sh", path, candidate]


def seen_and_tested(sums: Mapping[str, str]) -> list[str]:
    """Inside the container: compare what it sees with what was written, then `nginx -t`.

    :param sums: the sha256 of each file by its path inside; another one ends it with `UNSEEN`.
    """
    pairs = (word for path, digest in sums.items() for word in (digest, path))
    return ["sh", "-c", _SEEN, "sh", *pairs]
