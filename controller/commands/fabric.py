"""``npuforge fabric plan``: the plan of the NPU network, computed without a run; nothing is touched."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from . import CommandError, Exit
from .site import inventories, settle_ansible


def fabric(options: Namespace) -> Exit:
    """Print the plan as a table or as JSON, and draw it; where there is none, every reason is told at once."""
    settle_ansible()
    paths = inventories(options)
    from npuforge.fabric.refuse import PlanError  # noqa: PLC0415 - only here

    from controller.fabric import show  # noqa: PLC0415 - only here
    from controller.validate import fabric as planning  # noqa: PLC0415 - Ansible's configuration comes first
    from controller.validate import load  # noqa: PLC0415 - as above

    loaded = load.load([str(path) for path in paths])
    try:
        plan = planning.plan_of(loaded)
    except PlanError as error:
        if options.json:
            print(json.dumps({"problems": error.problems}, indent=1, ensure_ascii=False))
        lines = [f"{problem['where']}: {problem['problem']}" for problem in error.problems]
        raise CommandError(Exit.INVALID, "the fabric cannot be planned:\n  " + "\n  ".join(lines)) from error
    print(json.dumps(plan, indent=1, ensure_ascii=False) if options.json else show.table(plan), end="")
    if options.json:
        print()
    if options.svg:
        language = options.language or ("en" if loaded.site.values.get("site_report_language") == "en" else "zh")
        file = Path(options.svg)
        try:
            file.write_text(show.drawing(plan, language), encoding="utf-8")
        except OSError as error:
            raise CommandError(Exit.INVALID, f"{file} cannot be written: {error.strerror}") from error
    return Exit.OK
