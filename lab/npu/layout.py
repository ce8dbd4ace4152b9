"""How a version of the tool that nobody knows yet might print: no line is as the known versions print it."""

from __future__ import annotations

import re

from lab.npu.call import Call

FUTURE_VERSION = "29.0.rc1"


def dress(call: Call, text: str) -> str:
    """An answer as this node's version prints it: ``npu_tools.layout`` is "known" or "future"."""
    if not text or call.world.read(call.node)["npu_tools"]["layout"] != "future":
        return text
    rows = [
        [cell.strip() for cell in re.split(r"[:=,\[\]]|\s{2,}", line) if cell.strip()] for line in text.splitlines()
    ]
    body = "".join(f"| {' | '.join(cell.title() for cell in row)} |\n" for row in rows if row)
    rule = "+" + "-" * 60 + "+\n"
    return f"{rule}| hccn_tool {FUTURE_VERSION} |\n{rule}{body}{rule}"
