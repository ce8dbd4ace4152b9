"""``chrony.conf`` as it is planned, and what differs from it. Directives: chrony.conf(5) of chrony 3.5 and 4.3."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Sequence

COMMENTS = "!;#%"
LOCAL_STRATUM = 10
# A step disturbs what runs, so only the first updates after a start may make one; later the clock is slewed.
STEP_SECONDS, STEP_UPDATES = "1.0", 3
HEADER = (
    "# Managed by npuforge (role time_sync): other directives are reported, and undone by the next run.\n"
    "# What was here before lies beside this file, as <name>.npuforge-<time>.\n"
)


class Layout(NamedTuple):
    """Where a distribution has chrony's things. ``leap_zone``: the system's table of leap seconds, if it has one."""

    conf: str
    keys: str
    drift: str
    leap_zone: bool


class Wanted(NamedTuple):
    """``servers``: whom to ask, addresses or names. ``serves``: be the site's source (without servers) at
    ``local_stratum``, for the clients in ``allow`` (addresses or subnets)."""

    servers: Sequence[str]
    serves: bool
    allow: Sequence[str]
    local_stratum: int = LOCAL_STRATUM


def layout(unit: str, conf: str | None, leap_zone: bool) -> Layout:
    """By the name of the service: Debian's is ``chrony.service``, everybody else's ``chronyd.service``."""
    if unit == "chrony.service":
        return Layout(
            conf or "/etc/chrony/chrony.conf", "/etc/chrony/chrony.keys", "/var/lib/chrony/chrony.drift", leap_zone
        )
    return Layout(conf or "/etc/chrony.conf", "/etc/chrony.keys", "/var/lib/chrony/drift", leap_zone)


def wrong(wanted: Wanted) -> str | None:
    """Why this cannot be set up; None: it can."""
    if wanted.serves and wanted.servers:
        return "a node that is the site's source has no servers: give servers or local_source, not both"
    if not wanted.serves and not wanted.servers:
        return "nobody to ask: give servers (site_ntp_servers), or a node that is the source (site_time.local_source)"
    if wanted.serves and not wanted.allow:
        return "the site's source serves nobody: allow is empty"
    if not 1 <= wanted.local_stratum <= 15:
        return "local_stratum must be 1 to 15"
    for word in [*wanted.servers, *wanted.allow]:
        if not word or not all(letter.isalnum() or letter in ".:-_/" for letter in word) or not word.isascii():
            return f"{word!r} is no address"
    return None


def render(wanted: Wanted, place: Layout) -> str:
    """The whole file."""
    lines = [f"server {server} iburst" for server in wanted.servers]
    if wanted.serves:
        lines.append(f"local stratum {wanted.local_stratum} orphan")
        lines += [f"allow {client}" for client in wanted.allow]
    lines += [
        f"driftfile {place.drift}",
        f"makestep {STEP_SECONDS} {STEP_UPDATES}",
        "rtcsync",
        f"keyfile {place.keys}",
        *(["leapsectz right/UTC"] if place.leap_zone else []),
        "logdir /var/log/chrony",
        # Commands only from this node itself.
        "bindcmdaddress 127.0.0.1",
        "bindcmdaddress ::1",
        "cmdallow 127.0.0.1",
        "cmdallow ::1",
    ]
    return HEADER + "\n".join(lines) + "\n"


def directives(text: str) -> list[str]:
    """What chronyd reads: without comments and empty lines, blanks single, the directive's name in small letters."""
    found = []
    for line in text.split("\n"):
        words = line.split()
        if words and words[0][0] not in COMMENTS:
            found.append(" ".join([words[0].lower(), *words[1:]]))
    return found


def differences(text: str | None, planned: str, path: str) -> list[str]:
    """Sentences; empty when the file says what is planned, whatever its comments."""
    if text is None:
        return [f"{path} is missing"]
    found, wanted = directives(text), directives(planned)
    if found == wanted:
        return []
    more, less = Counter(found) - Counter(wanted), Counter(wanted) - Counter(found)
    told = [f"{path} lacks {line!r}" for line in less]
    told += [f"{path} has {_short(line)!r}, which nobody planned" for line in list(more)[:20]]
    if len(more) > 20:
        told.append(f"{path} has {len(more) - 20} more directives that nobody planned")
    return told or [f"{path} has its directives in another order"]


def _short(line: str) -> str:
    return line if len(line) <= 120 else line[:117] + "..."
