"""The shell scripts that bring the toolkit's Python into its place and take it away again. POSIX sh, run as root.

Beside ``<prefix>`` lie, while it is at work and after a run that was killed, ``.<name>.part`` (what came),
``.<name>.new`` (unpacked) and ``.<name>.old``; every script starts by sweeping them. What is at the prefix carries a
mark with the SHA-256 of its artifact; a folder without one is somebody else's and is neither replaced nor removed.
"""

from __future__ import annotations

import shlex

from .look import MARK, SAYS

PROOF = "import ctypes, hashlib, json, selectors, ssl, sys, zipfile; print('%d.%d.%d' % tuple(sys.version_info[:3]))"
FETCH = """\
import shutil, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open(sys.argv[1], timeout=30) as answer, open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(answer, target)
except OSError as error:
    sys.exit(str(error))
"""
_HEAD = """\
set -u
umask 022
prefix=@PREFIX@
beside=${prefix%/*}/.${prefix##*/}
part=$beside.part new=$beside.new old=$beside.old
fail() { printf '@SAYS@ problem %s\\n' "$(printf '%s' "$*" | tr '\\n' ' ')"; rm -rf "$part" "$new"; exit 1; }
if [ -e "$prefix" ] && [ ! -f "$prefix/@MARK@" ]; then
  fail "$prefix is there and was not made by npuforge: it is left alone"
fi
"""
_START = """\
rm -rf "$part" "$new" "$old"
mkdir -p "${prefix%/*}" || fail "${prefix%/*} cannot be made"
"""
_UNPACK = """\
if command -v sha256sum >/dev/null 2>&1; then got=$(sha256sum <"$part")
elif command -v openssl >/dev/null 2>&1; then got=$(openssl dgst -sha256 -r <"$part")
else fail 'neither sha256sum nor openssl is there to verify what came'
fi
got=${got%% *}
[ "$got" = @SHA256@ ] || fail "wrong content (expected SHA-256 @SHA256@, seen $got, $(wc -c <"$part") bytes)"
rm -rf "$new" "$old"
mkdir "$new" || fail "$new cannot be made"
said=$(tar -xzf "$part" --no-same-owner -C "$new" 2>&1) || fail "it cannot be unpacked: $said"
top=
for folder in "$new" "$new"/*; do if [ -z "$top" ] && [ -x "$folder/bin/python3" ]; then top=$folder; fi; done
[ -n "$top" ] || fail 'there is no bin/python3 in it'
number=$("$top/bin/python3" -c @PROOF@ 2>&1) || fail "it does not run on this node: $number"
major=${number%%.*} minor=${number#*.}
minor=${minor%%.*}
if [ "$major" -lt @MAJOR@ ] || { [ "$major" -eq @MAJOR@ ] && [ "$minor" -lt @MINOR@ ]; }; then
  fail "it is Python $number, and @MAJOR@.@MINOR@ is needed"
fi
printf '%s %s\\n' @SHA256@ @FILE@ >"$top/@MARK@" || fail "$top cannot be written"
sync
if [ -e "$prefix" ]; then mv "$prefix" "$old" || fail "$prefix cannot be moved away"; fi
mv "$top" "$prefix" || { [ ! -e "$old" ] || mv "$old" "$prefix"; fail "$prefix cannot be put in place"; }
rm -rf "$new" "$old" "$part"
printf '@SAYS@ installed %s\\n' "$number"
"""
_REMOVE = """\
rm -rf "$part" "$new" "$old"
[ ! -e "$prefix" ] || rm -rf "$prefix" || fail "$prefix cannot be removed"
rmdir "${prefix%/*}" 2>/dev/null
printf '@SAYS@ removed\\n'
"""


def _filled(text: str, prefix: str, **more: str) -> str:
    values = {"PREFIX": shlex.quote(prefix), "SAYS": SAYS, "MARK": MARK, **more}
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def get(prefix: str, url: str, tool: str) -> str:
    """Fetch the artifact. ``tool``: ``curl``, ``wget``, or the path of a Python 3."""
    address = shlex.quote(url)
    if tool == "curl":
        command = f"curl -fsS --noproxy '*' --connect-timeout 20 --retry 2 -o \"$part\" {address}"
    elif tool == "wget":
        command = f'wget -nv --no-proxy -T 30 -t 3 -O "$part" {address}'
    else:
        command = f'{shlex.quote(tool)} -c {shlex.quote(FETCH)} {address} "$part"'
    told = shlex.quote(f"{url} cannot be had: ")
    return _filled(f'{_HEAD}{_START}said=$({command} 2>&1) || fail {told}"$said"\n', prefix)


def begin(prefix: str) -> str:
    """Make way for pieces."""
    return _filled(f'{_HEAD}{_START}: >"$part" || fail "$part cannot be written"\n', prefix)


def piece(prefix: str) -> str:
    """Take one more piece, from standard input."""
    return _filled(f'{_HEAD}cat >>"$part" || fail "$part cannot be written"\n', prefix)


def unpack(prefix: str, file: str, sha256: str, minimum: tuple[int, int]) -> str:
    """Verify what came, unpack it beside the prefix, prove that it runs, and put it in place."""
    more = {"SHA256": sha256, "FILE": shlex.quote(file), "PROOF": shlex.quote(PROOF)}
    return _filled(_HEAD + _UNPACK, prefix, **more, MAJOR=str(minimum[0]), MINOR=str(minimum[1]))


def remove(prefix: str) -> str:
    """Take everything away; the folder above too, when nothing else is in it."""
    return _filled(_HEAD + _REMOVE, prefix)
