"""The fabric plan for people: a table for the terminal, and a drawing of rails and ports."""

from __future__ import annotations

import html
from collections.abc import Sequence

from controller.contract import Document

FONT = "'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','PingFang SC',sans-serif"
RAILS = ("#1d4ed8", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0f766e", "#be123c", "#4338ca")
# CSS pixels: margins, boxes of nodes and switches (at least), the space for cables; rows; where letters stand in a row.
TOP, LEFT, NODE, SWITCH, SPACE, GAP = 60, 16, 196, 258, 170, 16
LETTER = 7.2  # a wide one
HEAD, ROW, BASELINE, MIDDLE = 24, 19, 14, 4
LEGEND = 8  # rails in a row
WORDS = {
    "zh": {
        "title": "算力网络规划",
        "chain": "TC {tc} → DSCP {dscp} → 优先级 {priority} → 队列 {queue}；CNP DSCP {cnp} → 队列 {cnpq}；MTU {mtu}",
        "rail": "轨道 {n}",
    },
    "en": {
        "title": "Fabric plan",
        "chain": (
            "TC {tc} → DSCP {dscp} → priority {priority} → queue {queue}; CNP DSCP {cnp} → queue {cnpq}; MTU {mtu}"
        ),
        "rail": "rail {n}",
    },
}
COLUMNS = ("port", "hccn", "rail", "address", "gateway", "switch", "switch port")


def chain(plan: Document, language: str = "en") -> str:
    """The priority chain in one line."""
    qos = plan["qos"]
    return WORDS[language]["chain"].format(
        tc=qos["traffic_class"],
        dscp=qos["dscp"],
        priority=qos["priority"],
        queue=qos["queue"],
        cnp=qos["cnp"]["dscp"],
        cnpq=qos["cnp"]["queue"],
        mtu=plan["link"]["mtu_bytes"],
    )


def table(plan: Document) -> str:
    """The plan as text: a row for each NPU port, then what holds for all."""
    rows: list[Sequence[str]] = [COLUMNS]
    for port in plan["ports"]:
        rows.append(
            (
                port["id"],
                f"-i {port['device_id']}",
                str(port["rail"]),
                f"{port['address']}/{port['prefix_length']}",
                port["gateway"] or "-",
                port["switch"],
                port["switch_port"],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    ecn, link = plan["ecn"], plan["link"]
    # A terminal may know ASCII only.
    lines += ["", chain(plan).replace("→", "->")]
    lines.append(
        f"{link['speed_mbps'] // 1000}GE, FEC {link['fec']}, RoCE port {plan['roce_port']}, TLS {plan['tls_enable']}; "
        f"ECN {ecn['low_limit_bytes']} to {ecn['high_limit_bytes']} bytes, {ecn['discard_percentage']} %"
    )
    for name, switch in plan["switches"].items():
        buffer, pool, cell = switch["buffer"], switch["headroom_pool_kib"], switch["cell_bytes"]
        lines.append(
            f"{name}: {switch['os']}, family {switch['family']}, headroom pool {f'{pool} KiB' if pool else 'none'}, "
            f"headroom {buffer['headroom_bytes']} bytes, xoff {buffer['form']} {buffer['xoff']}"
            + (f", cells of {cell} bytes" if cell else "")
        )
    lines += ["", *(f"{key}={value}" for key, value in plan["hccl_environment"].items())]
    return "\n".join(lines) + "\n"


def drawing(plan: Document, language: str = "zh") -> str:
    """The plan as SVG: nodes with their ports at the left, switches at the right, a line in its rail's colour each.

    Widths are chosen so that the letters are 8 points high where the drawing is as wide as an A4 page's text. The rail
    stands in the NPU's name, too (NPU3 is on rail 3), for those who print without colours.
    """
    words = WORDS[language]
    parts: list[str] = []
    node_width = max(NODE, *(round(LETTER * len(name)) + 16 for name in plan["nodes"]))
    places: dict[str, float] = {}
    y: float = TOP
    for node in plan["nodes"]:
        ports = [port for port in plan["ports"] if port["node"] == node]
        parts.append(_box(LEFT, y, node_width, node, len(ports)))
        for number, port in enumerate(ports):
            base = y + HEAD + ROW * number + BASELINE
            places[port["id"]] = base - MIDDLE
            colour = _colour(port["rail"])
            parts.append(_text(LEFT + 8, base, port["name"], colour))
            parts.append(_text(LEFT + 62, base, f"{port['address']}/{port['prefix_length']}", colour))
        y += _height(len(ports)) + GAP
    bottom = y
    x = LEFT + node_width + SPACE
    switch_width = max(
        SWITCH, *(round(LETTER * (len(port["switch_port"]) + len(port["id"]))) + 32 for port in plan["ports"])
    )
    # In the middle beside the nodes, so that cables lie flat.
    heights = [_height(len(switch["ports"])) + GAP for switch in plan["switches"].values()]
    y = TOP + max(0, (bottom - TOP - sum(heights)) // 2)
    for name in plan["switches"]:
        parts += _switch(plan, name, (x, y, switch_width), places)
        y += _height(len(plan["switches"][name]["ports"])) + GAP
    rails = sorted({port["rail"] for port in plan["ports"]})
    height = max(bottom, y) + 8 + 18 * (1 + (len(rails) - 1) // LEGEND)
    for place, rail in enumerate(rails):
        row, column = divmod(place, LEGEND)
        label = words["rail"].format(n=rail)
        parts.append(_text(LEFT + column * 80, max(bottom, y) + 10 + 18 * row, label, _colour(rail)))
    width = x + switch_width + LEFT
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="{FONT}" font-size="12" role="img">'
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    )
    title = (
        f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{_x(words["title"])} · {_x(plan["site"])}</text>'
    )
    return f"{head}{title}{_text(LEFT, 44, chain(plan, language), '#334155')}{''.join(parts)}</svg>\n"


def _switch(plan: Document, name: str, box: tuple[float, float, int], places: dict[str, float]) -> list[str]:
    """One switch, its ports with what is on them, and their cables; lanes of one split port share a background.

    ``box``: left, top and width.
    """
    x, y, width = box
    names: list[str] = plan["switches"][name]["ports"]
    ends = {port["switch_port"]: port for port in plan["ports"] if port["switch"] == name}
    parts = [_box(x, y, width, name, len(names))]
    whole = list(dict.fromkeys(port_name.partition(":")[0] for port_name in names))
    for number, port_name in enumerate(names):
        port = ends[port_name]
        colour = _colour(port["rail"])
        base = y + HEAD + ROW * number + BASELINE
        if whole.index(port_name.partition(":")[0]) % 2 == 0:
            top = y + HEAD + ROW * number
            parts.append(f'<rect x="{x + 1:g}" y="{top:g}" width="{width - 2}" height="{ROW}" fill="#e8eef5"/>')
        parts.append(_text(x + 8, base, port_name, colour))
        parts.append(_text(x + width - 8, base, port["id"], colour, anchor="end"))
        parts.append(
            f'<line x1="{x - SPACE:g}" y1="{places[port["id"]]:g}" x2="{x:g}" y2="{base - MIDDLE:g}" stroke="{colour}" '
            'stroke-width="1.4"/>'
        )
    return parts


def _height(rows: int) -> int:
    return HEAD + ROW * rows + 6


def _box(x: float, y: float, width: int, title: str, rows: int) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width}" height="{_height(rows)}" rx="4" fill="#f8fafc" stroke="#94a3b8"/>'
        f'<text x="{x + 8:g}" y="{y + 16:g}" font-weight="bold">{_x(title)}</text>'
    )


def _text(x: float, y: float, text: str, colour: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}">{_x(text)}</text>'


def _colour(rail: int) -> str:
    return RAILS[(rail - 1) % len(RAILS)]


def _x(text: str) -> str:
    """For XML, which has no control characters at all."""
    return html.escape("".join(each if each.isprintable() else "?" for each in str(text)))
