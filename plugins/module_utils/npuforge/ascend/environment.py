"""The HCCL environment of a node: a file of ``KEY=value`` lines that the fabric plan gives and frameworks load.

The same file is read by a shell (``set -a; . FILE``) and by systemd (``EnvironmentFile=``), so values are plain words.
"""

from __future__ import annotations

import re
from typing import Mapping

from .texts import Reading

PATH = "/etc/npuforge/hccl.env"
HEAD = "# HCCL environment of the fabric plan, written by npuforge. Changes here are replaced by the next run.\n"
_NAME = re.compile(r"^[A-Z][A-Z0-9_]{0,63}$")
_VALUE = re.compile(r"^[A-Za-z0-9_.,:/@%+=-]{0,256}$")
_LINE = re.compile(r"^(?:export )?([A-Za-z_][A-Za-z0-9_]{0,63})=(.{0,256})$")


def render(variables: Mapping[str, str]) -> str:
    """The file. :raises ValueError: a name or value that a shell or systemd would read as something else."""
    for name, value in variables.items():
        if not _NAME.match(name) or not _VALUE.match(str(value)):
            raise ValueError(f"hccl_environment: {name}={value!r} cannot stand in an environment file")
    return HEAD + "".join(f"{name}={variables[name]}\n" for name in sorted(variables))


def parse(text: str | None) -> Reading:
    """The variables; None: no file, or one with a line that is none of an environment file's."""
    if text is None:
        return Reading(None, "there is no such file")
    found: dict[str, str] = {}
    for line in text[: 1 << 20].splitlines():
        row = line.strip()
        if not row or row.startswith("#"):
            continue
        match = _LINE.match(row)
        if match is None:
            return Reading(None, "a line that is no KEY=value")
        value = match.group(2)
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[match.group(1)] = value
    return Reading(found)


def differences(node: str, path: str, text: str | None, planned: Mapping[str, str]) -> list[str]:
    """Sentences: what the file of ``node`` says otherwise than the plan. An unreadable file is one difference."""
    found = parse(text)
    if found.value is None:
        return [f"{node}: {path}: {found.problem}"]
    told = []
    for name in sorted(set(planned) | set(found.value)):
        is_, wanted = found.value.get(name), planned.get(name)
        if is_ != (None if wanted is None else str(wanted)):
            told.append(f"{node}: {name} is {is_ or 'not set'}, planned {'none' if wanted is None else wanted}")
    return told
