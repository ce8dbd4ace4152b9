"""Lines that make a Comware switch the plan, without replacing what people configured unless asked.

A line is planned where nothing sets its setting. Where something else does, it is a conflict: told, and replaced only
by a takeover. A port with a conflict is left alone as a whole, and all ports are where a priority map has one: half of
the settings would be worse than none.
"""

from __future__ import annotations

from .ce_config import Views, lines_of, mask
from .comware_config import after, interface_line, setting, value_of, view_of
from .comware_plan import configured_map, default_of, effective, lossless, maps, port_lines, same, system_lines, wanted
from .driver import Part, ports_of, switch_of
from .model import Block, Steps

_NO_DROP = "priority-flow-control no-drop dot1p"


def steps(part: Part, tree: Views | None, direct: bool | None, takeover: bool = False) -> Steps:
    """The lines to enter. ``tree`` None: the configuration was not read whole; then none is planned.

    ``direct`` tells which priority maps the switch has (None: not seen, then ``dscp-lp`` is taken).
    """
    plan = Steps()
    switch = switch_of(part)
    if tree is None:
        plan.conflicts.append(
            "{}: the running configuration was not read whole, so no line is planned".format(switch["name"])
        )
        return plan
    if wanted(part).missing:
        plan.conflicts.append(
            "{}: the size of a buffer cell of family {} is not known, so headroom and ECN limits are not "
            "planned".format(switch["name"], switch.get("family"))
        )
    blocks = [Block((), tuple(_system(part, tree, plan, takeover)))]
    told = len(plan.conflicts)
    for table, entries in maps(part, direct is not False).items():
        lines = _map(table, entries, tree, plan, takeover)
        blocks.append(Block((f"qos map-table {table}",), tuple(lines)))
    mapped = takeover or len(plan.conflicts) == told
    for name in ports_of(part):
        if view_of(tree, name) is None:
            plan.conflicts.append(f"{name}: the switch has no such port")
            continue
        told = len(plan.conflicts)
        lines = _port(part, name, tree, plan, takeover)
        if mapped and (takeover or len(plan.conflicts) == told):
            blocks.append(Block((interface_line(tree, name),), tuple(lines)))
    plan.blocks = [block for block in blocks if block.lines]
    plan.before, plan.after = _texts(tree, plan)
    return plan


def _wants(lines: list[str], asked: list[str], where: str, plan: Steps, takeover: bool) -> list[str]:
    """What must be entered of ``asked``; what stands against it goes to the plan's conflicts."""
    entered = []
    for line in asked:
        old = value_of(lines, setting(line))
        if same(line, old):
            continue
        if old is not None and setting(line) != _NO_DROP:
            plan.conflicts.append(f"{where}: {old!r} is configured, planned {line!r}")
            if not takeover:
                continue
        entered.append(line)
    return entered


def _system(part: Part, tree: Views, plan: Steps, takeover: bool) -> list[str]:
    return _wants(lines_of(tree), system_lines(part), switch_of(part)["name"], plan, takeover)


def _map(table: str, entries: dict[int, int], tree: Views, plan: Steps, takeover: bool) -> list[str]:
    """Entries whose value is the default need no line; one that people set otherwise is a conflict."""
    entered = []
    for value, target in sorted(entries.items()):
        configured = configured_map(tree, table, value)
        if (default_of(table, value) if configured is None else configured) == target:
            continue
        if configured is not None:
            plan.conflicts.append(f"map {table}: {value} becomes {configured}, planned {target}")
            if not takeover:
                continue
        entered.append(f"import {value} export {target}")
    return entered


def _port(part: Part, name: str, tree: Views, plan: Steps, takeover: bool) -> list[str]:
    lines = effective(tree, name) or []
    asked = port_lines(part)
    first: list[str] = []
    for what, told in (
        ("flow-control", "802.3x flow control, which excludes PFC"),
        ("qos wred apply", "a WRED table, which excludes thresholds of the port"),
    ):
        old = value_of(lines, what)
        if old is None:
            continue
        if what == "qos wred apply" and _table_agrees(part, tree, old):
            asked = [line for line in asked if not line.startswith("qos wred")]
            continue
        plan.conflicts.append(f"{name}: {old!r} is configured ({told})")
        first.append(f"undo {what}")
    want = wanted(part).priority
    listed = lossless(lines)
    if listed is None or set(listed) - {want}:
        words = "not understood" if listed is None else ",".join(str(each) for each in listed)
        plan.conflicts.append(f"{name}: lossless priorities are {words}, planned {want}")
    return first + _wants(lines, asked, name, plan, takeover)


def table_lines(tree: Views, applied: str) -> list[str]:
    """The thresholds of the WRED table that ``qos wred apply`` names, written as a port would."""
    table = applied.rpartition(" ")[2]
    return [f"qos wred {line}" for line in lines_of(tree, f"qos wred queue table {table}") if line.startswith("queue ")]


def _table_agrees(part: Part, tree: Views, applied: str) -> bool:
    lines = table_lines(tree, applied)
    return all(same(line, value_of(lines, setting(line))) for line in port_lines(part) if line.startswith("qos wred"))


def _texts(tree: Views, plan: Steps) -> tuple[str, str]:
    """The touched views before and after, without secrets. Of the system view only the lines that are RoCE's."""
    before: list[str] = []
    later: list[str] = []
    for block in plan.blocks:
        old = lines_of(tree, *block.view)
        if not block.view:
            old = [line for line in old if line.startswith("priority-flow-control ")]
        before += _view(block, old)
        later += _view(block, after(old, list(block.lines)))
    return mask("\n".join([*before, ""])), mask("\n".join([*later, ""]))


def _view(block: Block, lines: list[str]) -> list[str]:
    inner = [" " * len(block.view) + line for line in lines]
    return [*(" " * depth + line for depth, line in enumerate(block.view)), *inner, "#"]
