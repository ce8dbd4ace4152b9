"""``npuforge survey`` and ``labels``: the machine room and the cabling table, judged without a run."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from . import CommandError, Exit
from .evidence import print_table
from .site import read_site


def survey(options: Namespace) -> Exit:
    """Judge the machine room; optionally draw its racks."""
    site = read_site(options)
    from controller import survey as rooms  # noqa: PLC0415 - only here

    try:
        room = rooms.load(site.file("site_survey_file"))
    except rooms.InputError as error:
        raise CommandError(Exit.INVALID, str(error)) from error
    limits = rooms.load_limits()
    items = rooms.judge(room, limits)
    language = site.language(options.language)
    document = rooms.document(room, items, limits)
    if options.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        words = {True: "ok", False: "FAIL", None: "unknown"}
        rows = [
            {
                "": words[item.ok],
                "subject": f"{item.kind} {item.subject}",
                "item": limits.titles[item.quantity][language],
                "value": "-" if item.value is None else f"{item.value:g}",
                "limit": " ".join(f"{key} {value:g}" for key, value in bounds(item.limit.min, item.limit.max)),
                "unit": item.unit,
            }
            for item in items
            if options.all or item.ok is not True
        ]
        if rows:
            print_table(rows, ("", "subject", "item", "value", "limit", "unit"))
        for item in items:
            if item.ok is not True and item.remedy:
                print(f"\n{item.kind} {item.subject}: {item.remedy[language]}")
        counts = document["counts"]
        print(f"\n{counts['ok']} fit, {counts['failed']} not fit, {counts['unknown']} not known (--all lists them)")
    if options.drawings:
        directory = Path(options.drawings)
        directory.mkdir(parents=True, exist_ok=True)
        for rack in room.racks:
            file = directory / f"rack-{rack.name}.svg"
            file.write_text(rooms.rack_svg(room, rack.name, items, language), encoding="utf-8")
            print(file)
    if any(item.ok is False for item in items):
        return Exit.FAIL
    return Exit.UNKNOWN if any(item.ok is None for item in items) else Exit.OK


def bounds(low: float | None, high: float | None) -> list[tuple[str, float]]:
    return [(name, value) for name, value in (("min", low), ("max", high)) if value is not None]


def labels(options: Namespace) -> Exit:
    """Check the cabling table and print the labels of both ends."""
    site = read_site(options)
    from controller import labels as cables  # noqa: PLC0415 - only here
    from controller import survey as rooms  # noqa: PLC0415 - only here

    try:
        room = rooms.load(site.file("site_survey_file"))
        table = cables.load(site.file("site_cabling_file"), room)
    except rooms.InputError as error:
        raise CommandError(Exit.INVALID, str(error)) from error
    language = site.language(options.language)
    problems = cables.problems(table, room)
    for problem in problems:
        where = ", ".join(map(str, problem.cables))
        print(f"{problem.kind} (row {where}): {problem.zh if language == 'zh' else problem.en}")
    if options.csv:
        Path(options.csv).write_text(cables.render_csv(table), encoding="utf-8")
        print(f"{options.csv}: the labels as a table")
    printed = cables.render_pdf(table, Path(options.output), language)
    print(f"{options.output}: {len(printed.labels)} labels of {len(table.cables)} cables on {printed.pages} pages")
    for reason in printed.skipped:
        print(f"no label: {reason}")
    return Exit.FAIL if problems else Exit.OK
