"""A rack's front elevation as SVG: units, devices with power and mass, free units, and the feeds by colour.

The picture stands alone (no style sheet, no script) and is drawn in millimetre-like units, one rack unit 14 high.
"""

from __future__ import annotations

import html
from collections import Counter

from controller.survey.electrical import shares
from controller.survey.items import Item
from controller.survey.mechanical import free_spans, rack_mass_kg
from controller.survey.model import Device, Rack, Survey

UNIT, WIDTH, LEFT, TOP = 14, 250, 46, 64
SIDE = 210  # the column right of the rack
FONT = "'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','PingFang SC',sans-serif"
FEED_COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#a16207", "#0f766e")
ROLES = {
    "server": ("#e0e7ff", "#4338ca"),
    "switch": ("#dcfce7", "#15803d"),
    "storage": ("#fef3c7", "#b45309"),
    "other": ("#f1f5f9", "#475569"),
}
WORDS = {
    "zh": {
        "free": "空闲 {n}U", "used": "已占用(非本项目)", "load": "负载 {w:.1f} kW", "budget": " / 配额 {b:g} kW",
        "mass": "总重 {m:.0f} kg", "units": "{u}U · 空闲 {f}U", "feed": "馈电 {f}", "watts": "{w:g} W",
        "unknown": "未知", "server": "服务器", "switch": "交换机", "storage": "存储", "other": "其他", "bad": "冲突",
    },
    "en": {
        "free": "{n} U free", "used": "in use (not ours)", "load": "load {w:.1f} kW", "budget": " of {b:g} kW",
        "mass": "mass {m:.0f} kg", "units": "{u} U · {f} U free", "feed": "feed {f}", "watts": "{w:g} W",
        "unknown": "unknown", "server": "server", "switch": "switch", "storage": "storage", "other": "other",
        "bad": "conflict",
    },
}  # fmt: skip


def rack_svg(survey: Survey, rack_name: str, items: list[Item] | None = None, language: str = "zh") -> str:
    """The elevation of one rack.

    :param items: judged items; those of this rack that fail are listed below the picture.
    :raises StopIteration: no such rack.
    """
    rack = survey.rack(rack_name)
    words = WORDS[language]
    failed = [i for i in items or [] if i.ok is False and (i.kind, i.subject) == ("rack", rack_name)]
    inner = rack.units * UNIT
    foot = TOP + inner + 26
    height = foot + 18 * len(failed) + (16 if failed else 4)
    width = LEFT + WIDTH + SIDE
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="{FONT}" role="img" aria-label="{_x(rack_name)}">'
    )
    parts = [
        start,
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *_head(survey, rack, words),
        f'<rect x="{LEFT - 8}" y="{TOP - 8}" width="{WIDTH + 16}" height="{inner + 16}" rx="4" fill="#334155"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{inner}" fill="#f8fafc"/>',
        *_scale(rack),
        *_free(survey, rack, words),
        *_used(rack, words),
    ]
    colours = feed_colours(survey)
    for device in survey.in_rack(rack_name):
        parts += _device(survey, rack, device, colours, words)
    parts += _legend(survey, rack, colours, words)
    for index, item in enumerate(failed):
        text = _cut(f"× {item.id}: {item.formula}", width - 24, 10)
        parts.append(f'<text x="12" y="{foot + 18 * index}" font-size="10" fill="#b91c1c">{_x(text)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def feed_colours(survey: Survey) -> dict[str, str]:
    return {feed.name: FEED_COLOURS[index % len(FEED_COLOURS)] for index, feed in enumerate(survey.feeds)}


def _x(text: object) -> str:
    return html.escape(str(text), quote=True)


def text_width(text: str, size: float) -> float:
    """About as wide as a sans-serif font sets it: CJK 1 em, others 0.56 em."""
    return size * sum(1.0 if ord(character) > 0x2E7F else 0.56 for character in text)


def _cut(text: str, width: float, size: float) -> str:
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def _y(rack: Rack, unit: int) -> int:
    """The top edge of a unit; U1 is at the bottom."""
    return TOP + (rack.units - unit) * UNIT


def _head(survey: Survey, rack: Rack, words: dict[str, str]) -> list[str]:
    devices = survey.in_rack(rack.name)
    known = all(device.max_watts is not None for device in devices)
    kw = sum(device.max_watts or 0 for device in devices) / 1000 + rack.other_load_kw
    load = words["load"].format(w=kw) if known else words["load"].split("{")[0] + f"≥ {kw:.1f} kW"
    if rack.power_budget_kw is not None:
        load += words["budget"].format(b=rack.power_budget_kw)
    weighed = rack.mass_kg is not None and all(device.mass_kg is not None for device in devices)
    mass = (
        words["mass"].format(m=rack_mass_kg(survey, rack))
        if weighed
        else words["mass"].split("{")[0] + (f"≥ {rack_mass_kg(survey, rack):.0f} kg")
    )
    free = sum(len(span) for span in free_spans(survey, rack))
    units = words["units"].format(u=rack.units, f=free)
    title = rack.name + (f" · {rack.position}" if rack.position else "")
    return [
        _say(LEFT - 8, 24, 18, _cut(title, WIDTH + SIDE, 18), bold=True),
        _say(LEFT - 8, 44, 11, " · ".join((units, load, mass)), fill="#475569"),
    ]


def _scale(rack: Rack) -> list[str]:
    parts = []
    for unit in range(1, rack.units + 1):
        y = _y(rack, unit)
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#e2e8f0" stroke-width="0.6"/>'
            f'<text x="{LEFT - 12}" y="{y + 10}" font-size="8" text-anchor="end" fill="#64748b">{unit}</text>'
        )
    return parts


def _free(survey: Survey, rack: Rack, words: dict[str, str]) -> list[str]:
    parts = []
    for span in free_spans(survey, rack):
        top, height = _y(rack, span[-1]), len(span) * UNIT
        text = words["free"].format(n=len(span))
        half = text_width(text, 9) / 2 + 6
        middle = LEFT + WIDTH / 2
        parts.append(
            _tag("rect", x=middle - half, y=top + height / 2 - 5, width=2 * half, height=10, fill="#f8fafc")
            + f'<text x="{middle:g}" y="{top + height / 2 + 3.2:g}" font-size="9" text-anchor="middle"'
            f' fill="#64748b">{_x(text)}</text>'
        )
    return parts


def _used(rack: Rack, words: dict[str, str]) -> list[str]:
    parts = []
    units = sorted(rack.used_units)
    spans: list[list[int]] = []
    for unit in units:
        if spans and spans[-1][-1] == unit - 1:
            spans[-1].append(unit)
        else:
            spans.append([unit])
    for span in spans:
        top, height = _y(rack, span[-1]), len(span) * UNIT
        parts.append(
            f'<rect x="{LEFT}" y="{top + 0.5}" width="{WIDTH}" height="{height - 1}" fill="#cbd5e1"/>'
            f'<text x="{LEFT + WIDTH / 2}" y="{top + height / 2 + 3.5}" font-size="9" text-anchor="middle"'
            f' fill="#475569">{_x(words["used"])}</text>'
        )
    return parts


def _device(survey: Survey, rack: Rack, device: Device, colours: dict[str, str], words: dict[str, str]) -> list[str]:
    """A device's box; those in conflict stand side by side, so that both can be read."""
    units = [unit for unit in device.occupies if 1 <= unit <= rack.units]
    if not units:
        return []
    rivals = [d for d in survey.in_rack(rack.name) if d is not device and set(d.occupies) & set(device.occupies)]
    bad = len(units) < device.height_units or bool(rivals) or bool(set(units) & rack.used_units)
    fill, stroke = ("#fee2e2", "#b91c1c") if bad else ROLES[device.role]
    column = sum(1 for rival in rivals if survey.devices.index(rival) < survey.devices.index(device)) % 2
    left = LEFT + 2 + (WIDTH / 2 if column else 0)
    width = (WIDTH / 2 if rivals else WIDTH) - 4
    top, height = _y(rack, units[-1]), len(units) * UNIT
    watts = words["unknown"] if device.max_watts is None else words["watts"].format(w=device.max_watts)
    mass = words["unknown"] if device.mass_kg is None else f"{device.mass_kg:g} kg"
    figures = f"{watts} · {mass}"
    name = device.name + (f" ({words['bad']})" if bad else "")
    parts = [
        _tag("rect", x=left, y=top + 1, width=width, height=height - 2, rx=2, fill=fill, stroke=stroke),
    ]
    if len(units) == 1:
        room = width - 24 - text_width(figures, 8.5)
        parts.append(_say(left + 8, top + 10.5, 9.5, _cut(name, room, 9.5), bold=True))
        parts.append(_say(left + width - 8, top + 10.5, 8.5, figures, fill="#334155", anchor="end"))
    else:
        middle, room = top + height / 2, width - 16
        title = _cut(name, room, 11)
        parts.append(_say(left + 8, middle - 2, 11, title, bold=True))
        after = text_width(title, 11) + 8  # bold is a little wider than estimated
        if device.model and room - after > 40:
            parts.append(_say(left + 8 + after, middle - 2, 9, _cut(device.model, room - after, 9), fill="#475569"))
        line = _cut(f"U{device.unit} · {device.height_units}U · {figures}", room, 9)
        parts.append(_say(left + 8, middle + 10, 9, line, fill="#334155"))
    return parts + _cords(survey, device, top + height * (0.5 if not rivals else 0.85 - 0.7 * column), colours)


def _tag(element: str, **attributes: object) -> str:
    return f"<{element} " + " ".join(f'{key}="{_x(value)}"' for key, value in attributes.items()) + "/>"


def _say(
    x: float, y: float, size: float, text: str, *, fill: str = "#0f172a", bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="700"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"{weight}>{_x(text)}</text>'
    )


def _cords(survey: Survey, device: Device, middle: float, colours: dict[str, str]) -> list[str]:
    """One plug per power supply at the right edge, in its feed's colour, and the watts that each feed gives."""
    feed_of = {pdu.name: pdu.feed for _, pdu in survey.pdus()}
    cords = sorted(device.cords or (), key=lambda cord: feed_of[cord.pdu])
    parts = []
    step = 8
    for index, cord in enumerate(cords[:8]):
        parts.append(
            f'<rect x="{LEFT + WIDTH + 14 + index * step}" y="{middle - 4:g}" width="6" height="8" rx="1.2"'
            f' fill="{colours[feed_of[cord.pdu]]}"><title>{_x(f"{cord.psu} → {cord.pdu} {cord.outlet}")}</title></rect>'
        )
    watts: Counter[str] = Counter()
    for share in shares(survey):
        if share.device is device and share.watts is not None:
            watts[feed_of[share.cord.pdu]] += round(share.watts)
    x = LEFT + WIDTH + 20 + len(cords[:8]) * step
    text = "".join(
        f'<tspan fill="{colours[feed]}" dx="{0 if index == 0 else 5}">{_x(feed)} {load} W</tspan>'
        for index, (feed, load) in enumerate(sorted(watts.items()))
    )
    if text:
        parts.append(f'<text x="{x}" y="{middle + 3.2:g}" font-size="8.5">{text}</text>')
    return parts


def _legend(survey: Survey, rack: Rack, colours: dict[str, str], words: dict[str, str]) -> list[str]:
    """Along the top right: roles that occur, and the feeds that reach this rack."""
    devices = survey.in_rack(rack.name)
    entries = [(ROLES[role][0], ROLES[role][1], words[role]) for role in ROLES if role in {d.role for d in devices}]
    if rack.used_units:
        entries.append(("#cbd5e1", "#cbd5e1", words["used"]))
    for feed in survey.feeds:
        pdus = [pdu.name for pdu in rack.pdus if pdu.feed == feed.name]
        if pdus:
            label = f"{words['feed'].format(f=feed.name)} ({', '.join(pdus)})"
            entries.append((colours[feed.name], colours[feed.name], label))
    y = TOP + rack.units * UNIT + 16
    # Below the side column, which is empty where no device is: drawn upwards from the rack's foot.
    parts = []
    for index, (fill, stroke, label) in enumerate(reversed(entries)):
        line = y - 10 - 15 * index
        parts.append(
            f'<rect x="{LEFT + WIDTH + 16}" y="{line - 8}" width="10" height="10" rx="1.5" fill="{fill}"'
            f' stroke="{stroke}"/><text x="{LEFT + WIDTH + 31}" y="{line + 1}" font-size="9" fill="#334155">'
            f"{_x(_cut(label, SIDE - 36, 9))}</text>"
        )
    return parts
