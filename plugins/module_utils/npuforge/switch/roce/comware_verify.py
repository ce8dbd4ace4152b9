"""Where a Comware switch is not the plan: sentences that name object, setting, what is and what was planned."""

from __future__ import annotations

import re
from typing import Match

from .ce_config import Views, lines_of
from .comware_config import setting, value_of
from .comware_plan import configured_map, default_of, effective, maps, port_lines, same, system_lines, wanted
from .comware_render import table_lines
from .driver import Part, ports_of, switch_of
from .model import Differences, Found, Port, PortDifferences


def verify(
    part: Part, found: Found, tree: Views | None, direct: bool | None, shown: dict[str, dict[int, int] | None]
) -> Differences:
    """Compare. What could not be seen makes its list None, unless a difference is seen anyway."""
    differences = Differences()
    system = None if tree is None else _system(part, tree)
    mapping = _maps(part, tree, direct, shown)
    told = (mapping or []) + (system or [])
    differences.whole = told or (None if system is None or mapping is None else [])
    for name in ports_of(part):
        port = found.ports.get(name)
        differences.ports[name] = _port(part, name, port, tree) if port is not None else PortDifferences()
    return differences


def _system(part: Part, tree: Views) -> list[str]:
    lines, told = lines_of(tree), []
    for line in system_lines(part):
        old = value_of(lines, setting(line))
        if not same(line, old):
            what = setting(line).replace("priority-flow-control", "PFC")
            told.append(
                f"{switch_of(part)['name']}: {what} is {'the default' if old is None else old.split()[-1]}, "
                f"planned {line.split()[-1]}"
            )
    return told


def _maps(
    part: Part, tree: Views | None, direct: bool | None, shown: dict[str, dict[int, int] | None]
) -> list[str] | None:
    """A map as the switch shows it; where it shows none, as it is configured."""
    told: list[str] = []
    unseen = False
    for table, entries in maps(part, direct is not False).items():
        for value, target in sorted(entries.items()):
            actual = (shown.get(table) or {}).get(value)
            if actual is None and tree is not None and not shown.get(table):
                configured = configured_map(tree, table, value)
                actual = default_of(table, value) if configured is None else configured
            if actual is None:
                unseen = True
            elif actual != target:
                kind = "DSCP" if table.startswith("dscp") else "priority"
                told.append(
                    f"{switch_of(part)['name']}: {kind} {value} becomes {actual} in map {table}, planned {target}"
                )
    return told or (None if unseen else [])


def _port(part: Part, name: str, port: Port, tree: Views | None) -> PortDifferences:
    told = PortDifferences()
    lines = None if tree is None else effective(tree, name)
    told.pfc = _pfc(part, name, port, lines)
    if lines is None:
        if tree is not None:
            told.trust = [f"{name}: the switch has no such port"]
        return told
    told.trust = [] if port.trust == "dscp" else [f"{name}: trust is {port.trust}, planned dscp"]
    told.buffer = _lines(part, name, lines, ("headroom", "ingress-buffer"))
    applied = value_of(lines, "qos wred apply")
    told.ecn = _lines(
        part, name, lines if applied is None or tree is None else table_lines(tree, applied), ("qos wred",)
    )
    if wanted(part).missing:
        # Sizes that could not be turned into cells were not compared.
        told.buffer = told.buffer or None
        told.ecn = told.ecn or None
    return told


def _pfc(part: Part, name: str, port: Port, lines: list[str] | None) -> list[str] | None:
    want = wanted(part)
    told = []
    if port.flow_control:
        told.append(f"{name}: flow control (802.3x) is on, planned off (it excludes PFC)")
    if port.pfc.enabled is False:
        told.append(f"{name}: PFC is off, planned on")
    elif port.pfc.mode == "auto":
        told.append(f"{name}: PFC is negotiated (auto), planned enabled: NPUs do not negotiate")
    if port.pfc.priorities is not None and port.pfc.priorities != [want.priority]:
        listed = ", ".join(str(each) for each in port.pfc.priorities) or "none"
        told.append(f"{name}: lossless priorities are {listed}, planned {want.priority}")
    if port.turned_off:
        told.append(f"{name}: PFC is configured but not in effect (disabled by the switch), planned in effect")
    if (
        lines is not None
        and want.detect is not None
        and value_of(lines, "priority-flow-control deadlock enable") is None
    ):
        told.append(f"{name}: PFC deadlock detection is off, planned on")
    seen = port.pfc.enabled is not None and port.pfc.priorities is not None and lines is not None
    return told or ([] if seen else None)


def _lines(part: Part, name: str, lines: list[str], kinds: tuple[str, ...]) -> list[str]:
    """Planned lines of some kinds that the port does not have, as sentences. The three colours make one sentence."""
    told: list[str] = []
    for line in port_lines(part):
        if not any(kind in line for kind in kinds):
            continue
        old = value_of(lines, setting(line))
        if same(line, old):
            continue
        what, now, plan = _words(line, old)
        sentence = f"{name}: {what} is {now}, planned {plan}"
        if sentence not in told:
            told.append(sentence)
    return told


def _words(line: str, old: str | None) -> tuple[str, str, str]:
    """(setting, what is, what was planned) of one line."""
    limits = r"low-limit (\d+) high-limit (\d+) discard-probability (\d+)$"
    words = line.split()
    planned, actual = re.search(limits, line), re.search(limits, old or "")
    if planned:
        now = _limits(actual) if actual else "the default" if old is None else old
        return f"WRED of queue {words[3]}", now, _limits(planned)
    if line.endswith(" ecn"):
        return f"ECN of queue {words[3]}", "off", "on"
    what = setting(line)
    for word, plain in (("priority-flow-control dot1p", "priority"), ("qos wred queue", "queue")):
        what = what.replace(word, plain)
    return what, "the default" if old is None else old.split()[-1], words[-1]


def _limits(match: Match[str]) -> str:
    low, high, probability = match.groups()
    return f"{low} to {high} cells, {probability} %"
