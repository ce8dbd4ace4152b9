"""The fabric plan for people: a table for the terminal, and a drawing of rails and ports."""

from __future__ import annotations

import html
from collections.abc import Sequence

from controller.contract import Document

FONT = "'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','PingFang SC',sans-serif"
RAILS = ("#1d4ed8", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0f766e", "#be123c", "#4338ca")
BOX, ROW, TOP, LEFT, RIGHT = 330, 19, 62, 20, 240  # CSS pixels
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
    lines += ["", chain(plan)]
    lines.append(
        f"{link['speed_mbps'] // 1000}GE, FEC {link['fec']}, RoCE port {plan['roce_port']}, TLS {plan['tls_enable']}; "
        f"ECN {ecn['low_limit_bytes'] // 1024} to {ecn['high_limit_bytes'] // 1024} KiB, {ecn['discard_percentage']} %"
    )
    for name, switch in plan["switches"].items():
        buffer, pool = switch["buffer"], switch["headroom_pool_kib"]
        lines.append(
            f"{name}: {switch['os']}, family {switch['family']}, headroom pool "
            f"{f'{pool} KiB' if pool else 'none'}, xoff {buffer['form']} {buffer['xoff']}"
        )
    lines += ["", *(f"{key}={value}" for key, value in plan["hccl_environment"].items())]
    return "\n".join(lines) + "\n"


def drawing(plan: Document, language: str = "zh") -> str:
    """The plan as SVG: nodes with their ports at the left, switches at the right, a line in its rail's colour each."""
    words = WORDS[language]
    places: dict[str, float] = {}
    parts: list[str] = []
    y = TOP
    for node in plan["nodes"]:
        ports = [port for port in plan["ports"] if port["node"] == node]
        parts.append(_box(LEFT, y, node, len(ports)))
        for number, port in enumerate(ports):
            line = y + ROW * (number + 1) + 5
            places[port["id"]] = line + 6
            parts.append(_text(LEFT + 8, line + 10, f"{port['name']}  {port['address']}", _colour(port["rail"])))
        y += ROW * (len(ports) + 1) + 22
    bottom = y
    x, y = LEFT + BOX + RIGHT, TOP
    for name, switch in plan["switches"].items():
        names = switch["ports"]
        step = max((bottom - 22 - TOP - ROW - 10) / max(len(names), 1), ROW) if len(plan["switches"]) == 1 else ROW
        parts.append(_box(x, y, name, 0, height=step * len(names) + ROW + 10))
        ends = {port["switch_port"]: port for port in plan["ports"] if port["switch"] == name}
        for number, port_name in enumerate(names):
            line = y + ROW + step * number + 5
            port = ends[port_name]
            colour = _colour(port["rail"])
            parts.append(_text(x + 8, line + 10, port_name, colour))
            parts.append(
                f'<line x1="{LEFT + BOX}" y1="{places[port["id"]]:g}" x2="{x}" y2="{line + 6:g}" stroke="{colour}" '
                'stroke-width="1.4"/>'
            )
        y += step * len(names) + ROW + 32
    height, width = max(bottom, y) + 24, x + BOX + LEFT
    for number in sorted({port["rail"] for port in plan["ports"]}):
        parts.append(_text(LEFT + (number - 1) * 84, height - 10, words["rail"].format(n=number), _colour(number)))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="{FONT}" font-size="12" role="img">'
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    )
    title = (
        f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{_x(words["title"])} · {_x(plan["site"])}</text>'
    )
    return f"{head}{title}{_text(LEFT, 44, chain(plan, language), '#334155')}{''.join(parts)}</svg>\n"


def _box(x: float, y: float, title: str, rows: int, height: float | None = None) -> str:
    height = ROW * (rows + 1) + 10 if height is None else height
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{BOX}" height="{height:g}" rx="4" fill="#f8fafc" stroke="#94a3b8"/>'
        f'<text x="{x + 8:g}" y="{y + 15:g}" font-weight="bold">{_x(title)}</text>'
    )


def _text(x: float, y: float, text: str, colour: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}">{_x(text)}</text>'


def _colour(rail: int) -> str:
    return RAILS[(rail - 1) % len(RAILS)]


def _x(text: str) -> str:
    return html.escape(str(text))
