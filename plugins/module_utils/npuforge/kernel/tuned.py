"""What an active tuned profile sets at boot, behind everybody's back (tuned-profiles(7), tuned.conf(5))."""

from __future__ import annotations

import re

from .context import Context

SERVICE = "tuned.service"
_ACTIVE = "/etc/tuned/active_profile"
_FOLDERS = ("/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned")
_DEPTH = 8


def profile(context: Context) -> str | None:
    """Name of the profile that tuned will apply at boot; None: tuned is not enabled."""
    if not (context.enabled(SERVICE) or context.active(SERVICE)):
        return None
    return (context.host.value(_ACTIVE) or "").split(" ")[0] or None


def profile_value(context: Context, section: str, option: str) -> tuple[str, str] | None:
    """(value, where it is said) of an option of the active profile and those that it includes; None: not set."""
    name = profile(context)
    return None if name is None else _look(context, name, section, option, 0)


def _look(context: Context, name: str, section: str, option: str, depth: int) -> tuple[str, str] | None:
    path = next((path for path in (f"{f}/{name}/tuned.conf" for f in _FOLDERS) if context.host.exists(path)), None)
    if path is None or depth > _DEPTH:
        return None
    here, value, included = "", None, ""
    for line in (context.host.read(path) or "").splitlines():
        row = line.split("#", 1)[0].strip()
        if row.startswith("[") and row.endswith("]"):
            here = row[1:-1].strip()
        key, sign, text = (piece.strip() for piece in row.partition("="))
        if sign and here == section and key == option:
            value = text
        if sign and here == "main" and key == "include":
            included = text
    if value is not None:
        return value, f"tuned profile {name}"
    for each in re.split(r"[,\s;]+", included):
        found = _look(context, each, section, option, depth + 1) if each else None
        if found is not None:
            return found
    return None
