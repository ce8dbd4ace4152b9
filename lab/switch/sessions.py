"""Who is configuring: sessions, the lock that one of them may hold, and what a person types without a terminal.

A lock is in the world, ``config_lock`` of the switch's document: ``{"user", "lines"}``, and of a session that took it
here ``interface``, ``session`` and ``since`` (Unix seconds). ``lines`` are what that user typed and did not commit.
Shapes: [CR] display configuration sessions, display configuration exclusive user, configuration exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lab.switch.device import Device
from lab.switch.store import StoreError, Who

OTHER_LINE = "VTY 20"  # of a lock that nobody here took
FIRST_SESSION = 177
TIMEOUT_SECONDS = 30


def lock(device: Device, who: Who) -> str:
    """[CR] configuration exclusive."""
    with device.world.update(device.name, "switches") as document:
        held = document.get("config_lock")
        if held:
            raise StoreError(f"The configuration has been locked by user {held['user']}.")
        document["config_lock"] = {
            "user": who.user,
            "lines": [],
            "interface": who.interface,
            "session": who.session,
            "since": device.clock(),
        }
    return ""


def unlock(device: Device, who: Who) -> str:
    """[CR] undo configuration exclusive: "Configurations cannot be unlocked by other users or in other sessions"."""
    with device.world.update(device.name, "switches") as document:
        held = document.get("config_lock")
        if held and held.get("session") != who.session:
            raise StoreError(f"The configuration is locked by user {held['user']}.")
        document["config_lock"] = None
    return ""


def left(device: Device, who: Who) -> None:
    """ "After the user logs out, the configuration is unlocked automatically"."""
    held = device.read().get("config_lock")
    if held and held.get("session") == who.session:
        with device.world.update(device.name, "switches") as document:
            document["config_lock"] = None


def exclusive(device: Device) -> str:
    """[CR] display configuration exclusive user: "If the configuration set is not locked, there is no display"."""
    held = device.read().get("config_lock")
    if not held:
        return ""
    since = _moment(device, held)
    return "\n".join(
        [
            "User Index: 34",
            f"User Session Name: {held.get('interface', OTHER_LINE)}",
            f"User Name: {held['user']}",
            "IP Address: --",
            f"Locked Time: {since}",
            f"Last Configuration Time: {since}",
            f"The time out value of configuration right locked is: {TIMEOUT_SECONDS} second(s)",
        ]
    )


def sessions(device: Device, who: Who) -> str:
    """[CR] display configuration sessions: the one that asks has a star; the word for a lock is ours."""
    held = device.read().get("config_lock") or {}
    seen = dict(device.sessions)
    seen.setdefault(who.session, (who, device.clock()))
    rows = [
        _row(number, each, _stamp(since), each.session == who.session, held.get("session") == each.session)
        for number, (each, since) in enumerate(seen.values(), FIRST_SESSION)
    ]
    if held and held.get("session") not in seen:
        owner = Who(held["user"], held.get("interface", OTHER_LINE), "")
        rows.append(_row(FIRST_SESSION + len(seen), owner, _moment(device, held), False, True))
    rule = "-" * 74
    return "\n".join([rule, "Session User-Intf    User                 Date                Lock", rule, *rows, rule])


def _row(number: int, of: Who, since: str, mine: bool, locked: bool) -> str:
    session = f"{number} {'*' if mine else ''}"
    return f"{session:<8}{of.interface:<13}{of.user:<21}{since}    {'exclusive' if locked else '-'}"


def pending(device: Device, who: Who) -> tuple[Who, list[str]] | None:
    """What another user who holds the lock typed and did not commit; None: nothing."""
    held = device.read().get("config_lock")
    if not held or not held.get("lines") or held.get("session") == who.session:
        return None
    return Who(held["user"], OTHER_LINE, "pending"), list(held["lines"])


def _moment(device: Device, held: Mapping[str, Any]) -> str:
    return _stamp(held.get("since", device.store.state()["booted"]))


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
