"""Which Pythons a node has, asked by one POSIX shell script, and which of them Ansible shall use."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

SAYS = "npuforge-bootstrap"
NEWEST, OLDEST = 13, 8  # the minor versions that ansible-core 2.19 looks for by name
SECONDS = 10  # for one interpreter to tell its version, where the node has timeout(1)
Version = tuple[int, int, int]

_SCRIPT = """\
say() { printf '@SAYS@ %s\\n' "$*"; }
limit=
command -v timeout >/dev/null 2>&1 && limit='timeout @SECONDS@'
say begin
say machine "$(uname -m)"
say system "$(. /etc/os-release 2>/dev/null && printf '%s %s' "${ID-}" "${VERSION_ID-}")"
seen=
for name in @NAMES@; do
  path=$(command -v "$name" 2>/dev/null) || continue
  case $path in /*) ;; *) continue ;; esac
  case "$seen " in *" $path "*) continue ;; esac
  seen="$seen $path"
  number=$($limit "$path" -c '@ASK@' </dev/null 2>/dev/null) || number=broken
  say python "${number:-broken}" "$path"
done
if [ -e @PREFIX@ ]; then say there "$(head -n 1 @PREFIX@/@MARK@ 2>/dev/null)"; fi
for tool in curl wget; do command -v "$tool" >/dev/null 2>&1 && say tool "$tool"; done
say end
"""
MARK = ".npuforge-bundle"
_ASK = 'import sys; sys.stdout.write("%d.%d.%d" % tuple(sys.version_info[:3]))'


class LookError(Exception):
    """The node's answer is none; the text has its end."""


class Look(NamedTuple):
    """What a node has. ``pythons``: path and version (``None``: it does not run), in the order of preference.

    ``there``: whether something is at the toolkit's own place; ``mark``: SHA-256 of the artifact that it came from.
    """

    machine: str
    system: str
    pythons: tuple[tuple[str, Version | None], ...]
    there: bool
    mark: str | None
    tools: frozenset[str]

    def told(self) -> str:
        """``/usr/bin/python3 is 3.7.9``, or that there is none."""
        sentences = [
            f"{path} {'is ' + dotted(version) if version else 'does not run'}" for path, version in self.pythons
        ]
        return ", ".join(sentences) or "it has no python3"


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def script(prefix: str, given: str | None) -> str:
    """The question, for ``sh``. ``prefix``: the toolkit's own place; ``given``: what the inventory names."""
    names = [*([given] if given else []), "/usr/bin/python3", "python3"]
    names += [f"python3.{minor}" for minor in range(NEWEST, OLDEST - 1, -1)]
    names += ["/usr/libexec/platform-python", f"{prefix}/bin/python3"]
    text = (
        _SCRIPT.replace("@SAYS@", SAYS)
        .replace("@SECONDS@", str(SECONDS))
        .replace("@MARK@", MARK)
        .replace("@ASK@", _ASK)
    )
    return text.replace("@NAMES@", " ".join(map(shlex.quote, names))).replace("@PREFIX@", shlex.quote(prefix))


def parse(text: str) -> Look:
    """The answer, whatever a login shell prints around it. :raises LookError: it is not whole."""
    said: list[tuple[str, str]] = []
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == SAYS:
            key, _, value = rest.strip().partition(" ")
            said.append((key, value.strip()))
    keys = [key for key, _ in said]
    machine = next((value for key, value in said if key == "machine"), "")
    if "begin" not in keys or "end" not in keys or not re.fullmatch(r"[\w.-]{1,40}", machine):
        raise LookError(f"the node's shell does not tell what it has: {text.strip()[-300:] or 'it said nothing'}")
    pythons: dict[str, Version | None] = {}
    for key, value in said:
        number, _, path = value.partition(" ")
        if key == "python" and path.startswith("/"):
            found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})", number)
            pythons.setdefault(path, (int(found[1]), int(found[2]), int(found[3])) if found else None)
    mark = next((value for key, value in said if key == "there"), None)
    return Look(
        machine=machine,
        system=next((value for key, value in said if key == "system"), ""),
        pythons=tuple(pythons.items()),
        there=mark is not None,
        mark=mark.partition(" ")[0] if mark and re.match(r"[0-9a-f]{64}( |$)", mark) else None,
        tools=frozenset(value for key, value in said if key == "tool"),
    )


def usable(look: Look, minimum: tuple[int, int], prefix: str) -> str | None:
    """The first Python of the node's own (or of the inventory's choice) that is new enough."""
    own = f"{prefix}/bin/python3"
    good = [path for path, version in look.pythons if version and version[:2] >= minimum and path != own]
    return good[0] if good else None


def shipped(look: Look, minimum: tuple[int, int], prefix: str) -> bool:
    """Whether the toolkit's own is there, runs and is new enough."""
    version = dict(look.pythons).get(f"{prefix}/bin/python3")
    return bool(look.mark and version and version[:2] >= minimum)
