"""/etc/hccn.conf: one ``key_<device id>=value`` a line, rewritten as hccn_tool rewrites it.

Every write takes the key's old line out and puts the new one at the end; all other lines, comments and keys that nobody
knows stay as they are (source of hccn_tool: cfg.c).
"""

from __future__ import annotations

PATH = "/etc/hccn.conf"


def read(text: str, key: str, device: int) -> str | None:
    """The value of a key; None: not there. The first line wins; a line that begins with # is a comment."""
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and value and name == f"{key}_{device}":
            return value
    return None


def write(text: str, key: str, device: int, value: str) -> str:
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith(f"{key}_{device}=")]
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    return "".join(kept) + f"{key}_{device}={value}\n"


def delete(text: str, key: str, device: int) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if f"{key}_{device}=" not in line)
