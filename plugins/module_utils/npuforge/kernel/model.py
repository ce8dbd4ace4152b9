"""What the parts of the baseline say to each other: settings with their three values, steps, and what was not seen."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

NOT_SET = "not set"
# Groups of settings, as the facts name them (docs/node-software.md, section 3).
GROUPS = (
    "sysctl",
    "limits",
    "thp",
    "isolation",
    "scheduler",
    "hugepages",
    "governor",
    "iommu",
    "kernel_arguments",
    "modules",
    "swap",
    "security",
    "names",
    "locale",
    "retention",
    "boot_loader",
)


class Setting(NamedTuple):
    """One setting. ``runtime``, ``boot``: None where it could not be seen, or where there is no such value.

    ``sentences``: what differs. ``unseen``: why a value that matters could not be seen.
    """

    id: str
    group: str
    runtime: str | None
    boot: str | None
    wanted: str
    differs: tuple[str, ...]
    sentences: tuple[str, ...]
    unseen: str | None = None


class Step(NamedTuple):
    """One change. ``unit``: steps of one unit are made, verified and taken back together.

    ``action``: ``write`` (``path``, ``value``), ``link`` (``path`` -> ``value``), ``remove`` (``path``), ``kernel``
    (``value`` into each of ``paths``) or ``run`` (``argv``; ``undo`` takes it back; ``touches``: files it changes).
    ``soft``: a refusal is noted, it fails nothing. ``marker``: a file in /run that stands from before the first write
    until ``argv`` has run, so that a killed run is finished by the next. ``backup``: keep the old text beside the file.
    """

    unit: str
    words: str
    action: str
    path: str = ""
    value: str = ""
    paths: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    mode: int = 0o644
    soft: bool = False
    marker: str = ""
    backup: bool = False


class Part(NamedTuple):
    """What one subject found. ``problems``: why the wanted state cannot be had; nothing is touched then."""

    settings: tuple[Setting, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[dict[str, str], ...] = ()
    problems: tuple[str, ...] = ()


def setting(
    ident: str,
    group: str,
    wanted: str,
    runtime: str | None,
    boot: str | None,
    *,
    sides: Sequence[str] = ("runtime", "boot"),
    equal: Mapping[str, bool] | None = None,
    why: Mapping[str, str] | None = None,
    unseen: str | None = None,
) -> Setting:
    """Compare one setting.

    :param sides: which of its values count; the other is only shown.
    :param equal: side -> whether it is as wanted, where texts cannot be compared.
    :param why: side -> what makes it differ, for the sentence.
    """
    differs, sentences = [], []
    missing = None
    name = ident.split(".", 1)[1] if ident.startswith(("sysctl.", "limits.", "kernel_arguments.")) else ident
    for side, value in (("runtime", runtime), ("boot", boot)):
        if side not in sides:
            continue
        if value is None:
            missing = unseen or f"{name}: its value {_WHEN[side]} could not be seen"
            continue
        same = (equal or {}).get(side, value == wanted)
        if not same:
            differs.append(side)
            reason = (why or {}).get(side)
            sentences.append(f"{name} is {value} {_WHEN[side]}, wanted {wanted}" + (f" ({reason})" if reason else ""))
    return Setting(ident, group, runtime, boot, wanted, tuple(differs), tuple(sentences), missing)


_WHEN = {"runtime": "running", "boot": "at boot"}


def facts_of(each: Setting) -> dict[str, Any]:
    return {
        "id": each.id,
        "group": each.group,
        "runtime": each.runtime,
        "boot": each.boot,
        "wanted": each.wanted,
        "differs": list(each.differs),
    }


def file_steps(
    unit: str, words: str, path: str, now: str | None, wanted: str | None, *, mode: int = 0o644, backup: bool = False
) -> list[Step]:
    """The step that makes a file what is wanted (None: there is none), if any."""
    if now == wanted:
        return []
    if wanted is None:
        return [Step(unit, words, "remove", path, backup=backup)]
    return [Step(unit, words, "write", path, wanted, mode=mode, backup=backup)]
