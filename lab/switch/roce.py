"""What a switch's configuration means for RoCE: PFC profiles, DSCP mapping, drop profiles, and the state of a port.

Sources: [CR] Huawei CE6800/CE8800 V300R023C00 command reference, and its guide to lossless networks. Assumptions, where
no document says it:

* A dynamic xoff above ``ALPHA_LIMIT`` lets one queue take so much of the shared buffer that its pause comes too late.
* A headroom pool that is smaller than what a port's lossless queues are set to is no headroom for that port.
* [CR] says what must not be, but not how the refusal of it reads: what follows ``Error:`` is this switch's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lab.switch.config import SYSTEM, Edit, Path, Tree
from lab.switch.grammar import PAIRS, POOLS
from lab.switch.roce_settings import family

Document = Mapping[str, Any]

PHBS = ("be", "af1", "af2", "af3", "af4", "ef", "cs6", "cs7")  # in the order of their queues
YELLOW, RED = (12, 20, 28, 36), (14, 22, 30, 38)
DEFAULT_PRIORITY = 3
DEFAULT_XOFF, DEFAULT_HEADROOM_KB = 3, 256
DEFAULT_DEADLOCKS = 30
MAX_FRAME = 9216
MAX_PROFILES = 2  # [CR] display dcb pfc-profile
ALPHA_LIMIT = 8
UNITS = {"kbytes": 1024, "mbytes": 1024 * 1024}
DropLimits = tuple[int, int, int]  # bytes, bytes, per cent


def running(document: Document) -> Tree:
    """The configuration that runs. Of a switch that was never started: an empty one."""
    config = document.get("config")
    return Tree.from_json(config["running"]) if config else Tree()


def interface(name: str) -> Path:
    return (f"interface {name}",)


def port_state(document: Document, port: str) -> dict[str, Any]:
    """How a port treats RoCE by the configuration that runs:

    ``{trust_dscp, queue_of: {dscp: queue}, pfc_priorities: [..], pfc_enabled, headroom, xoff_ok, ecn: {queue: [low
    bytes, high bytes, per cent]}, turned_off: [priorities], mtu: the largest frame, shutdown}``. ``pfc_priorities`` are
    those for which DSCP-marked packets are paused: none while back pressure goes by 802.1p ([CR] dcb pfc dscp-mapping
    enable).
    """
    tree, path = running(document), interface(port)
    pools = family(document["model"]) == POOLS
    applied = pfc_applied(tree, port)
    mapped = not pools or tree.get(SYSTEM, "dcb pfc dscp-mapping slot 1") is not None
    priorities = effective_priorities(tree, port) if mapped else []
    domain = (tree.get(path, "trust upstream") or "trust upstream default").split()[2]
    truth: Mapping[str, Any] = next((each for each in document["ports"] if each["name"] == port), {})
    return {
        "trust_dscp": tree.get(path, "trust") == "trust dscp",
        "queue_of": {dscp: PHBS.index(phb) for dscp, (phb, _) in domain_map(tree, domain).items()},
        "pfc_priorities": priorities,
        "pfc_enabled": applied is not None and bool(effective_priorities(tree, port)),
        "headroom": not pools or pool_kib(tree) >= max(1, headroom_kib(tree, port)),
        "xoff_ok": all(_xoff_fits(tree, port, priority, pools) for priority in priorities),
        "ecn": {queue: list(limits) for queue, limits in ecn_limits(tree, port).items()},
        "turned_off": list(truth.get("pfc_turned_off", [])),
        "mtu": largest_frame(tree, port),
        "shutdown": tree.get(path, "shutdown") is not None,
    }


def largest_frame(tree: Tree, port: str) -> int:
    """Bytes with header and checksum. An MTU that somebody set counts as a limit to what goes through."""
    path = interface(port)
    frame = int((tree.get(path, "jumboframe") or f"jumboframe enable {MAX_FRAME}").split()[2])
    mtu = tree.get(path, "mtu")
    return min(frame, int(mtu.split()[1]) + 18) if mtu else frame


def pfc_applied(tree: Tree, port: str) -> tuple[str, str] | None:
    """(profile, mode) of the port."""
    words = (tree.get(interface(port), "dcb pfc enable") or "").split()[3:]
    if not words:
        return None
    return ("default" if words[0] == "mode" else words[0]), words[-1]


def effective_priorities(tree: Tree, port: str) -> list[int]:
    """For which priorities PFC works on the port. Not in mode auto: nothing that is plugged in negotiates. Not with
    802.3x flow control, which excludes it."""
    applied = pfc_applied(tree, port)
    off = tree.get(SYSTEM, "dcb pfc global disable") or tree.get(interface(port), "flow-control")
    if applied is None or off or applied[1] != "manual":
        return []
    return profile_priorities(tree, applied[0])


def profile_path(name: str) -> Path:
    return ("dcb pfc" if name == "default" else f"dcb pfc {name}",)


def profiles(tree: Tree) -> list[str]:
    """Names of the PFC profiles, the default first: it is always there."""
    made = [path[0].removeprefix("dcb pfc ") for path in tree.views() if path and path[0].startswith("dcb pfc ")]
    return ["default", *sorted(name for name in made if name != "default")]


def profile_priorities(tree: Tree, name: str) -> list[int]:
    """[CR] priority: it adds to priority 3, which is there unless it is undone."""
    found = {DEFAULT_PRIORITY}
    for line in tree.lines(profile_path(name)):
        match = re.fullmatch(r"(undo )?priority (\d)", line)
        if match:
            (found.discard if match[1] else found.add)(int(match[2]))
    return sorted(found)


def trigger(tree: Tree, port: str, priority: int) -> tuple[str, int]:
    """What so many deadlocks within 20 seconds do to a port: ("turn-off" or "error-down", how many)."""
    line = tree.get(interface(port), "port pfc-deadlock trigger")
    action = line.split()[-1] if line else "turn-off"
    applied = pfc_applied(tree, port)
    number = tree.get(profile_path(applied[0]), f"priority {priority} {action}") if applied else None
    return action, int(number.split()[-1]) if number else DEFAULT_DEADLOCKS


def pool_kib(tree: Tree) -> int:
    """The headroom pool of slot 1; 0: none."""
    words = (tree.get(SYSTEM, "qos buffer headroom-pool slot 1") or "").split()
    return int(words[4]) * UNITS[words[5]] // 1024 if words else 0


def headroom_kib(tree: Tree, port: str) -> int:
    """What the port's lossless queues may take of the pool."""
    sizes = [threshold(tree, port, queue, "hdrm") for queue in effective_priorities(tree, port)]
    return sum(size[1] if size else DEFAULT_HEADROOM_KB for size in sizes)


def domains(tree: Tree) -> list[str]:
    made = [path[0].removeprefix("diffserv domain ") for path in tree.views() if path and "diffserv" in path[0]]
    return ["default", *sorted(name for name in made if name != "default")]


def domain_map(tree: Tree, name: str) -> dict[int, tuple[str, str]]:
    """{DSCP: (behaviour, colour)}; what a domain does not say is as [CR] display diffserv domain shows it."""
    found = {
        dscp: (PHBS[dscp // 8], "yellow" if dscp in YELLOW else "red" if dscp in RED else "green") for dscp in range(64)
    }
    for line in tree.lines((f"diffserv domain {name}",)):
        words = line.split()
        if words[0] == "ip-dscp-inbound":
            found[int(words[1])] = (words[3], words[4])
    return found


def drops(tree: Tree) -> list[str]:
    made = [path[0].removeprefix("drop-profile ") for path in tree.views() if path and "drop-profile" in path[0]]
    return ["default", *sorted(name for name in made if name != "default")]


def drop_line(tree: Tree, name: str, color: str) -> list[str]:
    """Words of a colour's line: ``color green buffer-size low-limit 1 high-limit 2 discard-percentage 3``."""
    fallback = f"color {color} percentage low-limit 100 high-limit 100 discard-percentage 100"
    return (tree.get((f"drop-profile {name}",), f"color {color}") or fallback).split()


def green_limits(tree: Tree, name: str) -> DropLimits | None:
    """Low and high limit in bytes and the discard percentage of green packets; None: not set in bytes."""
    words = drop_line(tree, name, "green")
    return (int(words[4]), int(words[6]), int(words[8])) if words[2] == "buffer-size" else None


def wred(tree: Tree, port: str, queue: int) -> str | None:
    line = tree.get(interface(port), f"qos queue {queue} wred")
    return line.split()[4] if line else None


def ecn_limits(tree: Tree, port: str) -> dict[int, DropLimits]:
    """Where the port marks packets: ECN is on for the queue, and its drop profile has limits in bytes."""
    found = {}
    for queue in range(8):
        profile = wred(tree, port, queue)
        limits = green_limits(tree, profile) if profile else None
        if limits and tree.get(interface(port), f"qos queue {queue} ecn"):
            found[queue] = limits
    return found


def threshold(tree: Tree, port: str, queue: int, what: str) -> tuple[str, int] | None:
    """``what`` (xoff, xon, hdrm) as configured: ("dynamic", alpha) or ("static", KiB); None: not configured."""
    line = tree.get(interface(port), f"dcb pfc buffer {queue} {'hdrm' if what == 'hdrm' else 'xoff'}") or ""
    match = re.search(rf"\b{what} (?:(static|dynamic) )?(\d+)(?: ([km]bytes))?", line)
    if match is None:
        return None
    if match[1] == "dynamic":
        return "dynamic", int(match[2])
    return "static", int(match[2]) * UNITS[match[3] or "kbytes"] // 1024


def _xoff_fits(tree: Tree, port: str, queue: int, pools: bool) -> bool:
    """[CR] dcb pfc buffer: xoff and headroom together "must be smaller than ... the lower WRED threshold"."""
    form, value = threshold(tree, port, queue, "xoff") or ("dynamic", DEFAULT_XOFF)
    if form == "dynamic":
        return value <= ALPHA_LIMIT
    headroom = (threshold(tree, port, queue, "hdrm") or ("static", DEFAULT_HEADROOM_KB))[1] if pools else 0
    profile = wred(tree, port, queue)
    limits = green_limits(tree, profile) if profile else None
    return limits is None or (value + headroom) * 1024 < limits[0]


def refusals(document: Document, tree: Tree) -> list[str]:
    """Why this configuration cannot be committed: references to what is not there, and limits that cannot be."""
    return list(_refusals(document, tree))


def _refusals(document: Document, tree: Tree) -> Iterator[str]:
    have = {"PFC profile": profiles(tree), "DiffServ domain": domains(tree), "drop profile": drops(tree)}
    if len(have["PFC profile"]) > MAX_PROFILES:
        yield f"The number of PFC profiles exceeds the maximum ({MAX_PROFILES})."
    of = family(document["model"])
    for name in have["PFC profile"]:
        yield from _profile_refusals(tree, name, 3 if of == PAIRS else 4)
    for port in document["ports"]:
        for what, name in _references(tree, port["name"]):
            if name not in have[what]:
                yield f"The {what} {name} does not exist. (Interface={port['name']})"
        if of == POOLS and pfc_applied(tree, port["name"]) and not pool_kib(tree):
            yield f"PFC needs a headroom pool: qos buffer headroom-pool. (Interface={port['name']})"
    for name in have["drop profile"]:
        for color in ("green", "yellow", "red"):
            words = drop_line(tree, name, color)
            if int(words[4]) > int(words[6]):
                yield f"The low limit is larger than the high limit. (Drop-profile={name}, color={color})"


def _profile_refusals(tree: Tree, name: str, most: int) -> Iterator[str]:
    """[CR] priority (DCB PFC view): "If a priority queue has a non-default configuration, you need to restore" that
    first; and at most three queues, with headroom pools three besides queue 3."""
    priorities = profile_priorities(tree, name)
    if len(priorities) > most:
        yield f"The number of priority queues with PFC exceeds the maximum ({most}). (Profile={name})"
    for line in tree.lines(profile_path(name)):
        match = re.match(r"priority (\d) (\S+) ", line)
        if match and int(match[1]) not in priorities:
            yield f"The {match[2]} of priority {match[1]} is set, but PFC is not enabled for it. (Profile={name})"


def _references(tree: Tree, port: str) -> Iterator[tuple[str, str]]:
    applied = pfc_applied(tree, port)
    if applied:
        yield "PFC profile", applied[0]
    domain = tree.get(interface(port), "trust upstream")
    if domain:
        yield "DiffServ domain", domain.split()[2]
    for queue in range(8):
        profile = wred(tree, port, queue)
        if profile:
            yield "drop profile", profile


def reenabled(document: dict[str, Any], edits: list[Edit]) -> None:
    """[CR] priority turn-off: PFC that deadlocks turned off works again after ``undo dcb pfc enable``."""
    undone = {edit.path for edit in edits if edit.action == "unset" and edit.key == "dcb pfc enable"}
    for port in document["ports"]:
        if interface(port["name"]) in undone:
            port["pfc_turned_off"] = []
