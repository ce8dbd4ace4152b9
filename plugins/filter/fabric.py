"""Filters on the fabric plan: the part of it that concerns one node or one switch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from npuforge.fabric import plan  # noqa: E402 - only after sys.path is set


def _of(part: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def chosen(value: Any, name: str) -> Any:
        if not isinstance(value, Mapping):
            raise AnsibleFilterError("there is no fabric plan: the task fabric_plan comes first")
        try:
            return part(value, name)
        except KeyError as error:
            raise AnsibleFilterError(f"the fabric plan knows no {error.args[0]!r}") from error

    return chosen


class FilterModule:
    """``fabric_node_part(node)`` and ``fabric_switch_part(switch)``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fabric_node_part": _of(plan.node_part), "fabric_switch_part": _of(plan.switch_part)}
