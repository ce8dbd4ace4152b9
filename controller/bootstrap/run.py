"""One node: look, decide, bring what is missing. All that touches the node goes through one function, ``call``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from npuforge.bundle.manifest import BundleError, path_of, select, wanted_of

from . import look, ship

PREFIX = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*){2,8}")
PIECE = 1 << 20  # bytes
Call = Callable[[str, "bytes | None"], tuple[int, str, str]]
Say = Callable[[str], None]
Document = dict[str, Any]


class BootstrapError(Exception):
    """The node cannot be given a Python; the text says why and what to do."""


class Wanted(NamedTuple):
    """``prefix``: the toolkit's place. ``given``: the interpreter of the inventory. ``transfer``: auto, http or ssh."""

    prefix: str = "/opt/npuforge/python"
    minimum: tuple[int, int] = (3, 8)
    given: str | None = None
    transfer: str = "auto"
    check: bool = False


class Bundle(NamedTuple):
    """Where artifacts come from: the site's file server, its artifacts, and how the controller gets one (for ssh)."""

    url: str
    artifacts: list[Document]
    local: Callable[[Document], Path]


def wanted_of_options(prefix: str, minimum: str, given: str | None, transfer: str, check: bool) -> Wanted:
    """Options as the role has them, judged. :raises BootstrapError: one cannot be used."""
    number = re.fullmatch(r"(\d{1,3})\.(\d{1,3})", minimum)
    if not number:
        raise BootstrapError(f"python_bootstrap_minimum: {minimum!r}: expected two numbers, as 3.8")
    if not PREFIX.fullmatch(prefix):
        raise BootstrapError(f"python_bootstrap_prefix: {prefix!r}: expected the path of a folder of its own")
    path = given if given and re.fullmatch(r"/[^\s'\"]+", given) else None
    return Wanted(prefix, (int(number[1]), int(number[2])), path, transfer, check)


def absent(call: Call, wanted: Wanted) -> Document:
    """Take the toolkit's Python away."""
    seen = _look(call, wanted)
    if seen.there and seen.mark is None:
        raise BootstrapError(f"{wanted.prefix} was not made by npuforge: it is left alone")
    answer: Document = {"changed": seen.there, "interpreter": None, "shipped": False}
    if not seen.there:
        return {**answer, "msg": f"{wanted.prefix} is not there"}
    if wanted.check:
        return {**answer, "msg": f"would remove {wanted.prefix}"}
    _do(call, ship.remove(wanted.prefix), "removed")
    return {**answer, "msg": f"{wanted.prefix} is removed"}


def present(call: Call, wanted: Wanted, bundle: Callable[[], Bundle], say: Say) -> Document:
    """See to it that the node has a Python that Ansible's modules run on.

    :param bundle: asked only for a node whose own Pythons are too old
    :return: ``changed``, ``interpreter`` (``None`` in check mode where there is none yet), ``shipped`` (whether it is
        the toolkit's), ``pythons`` (path: version or null), ``system``, ``msg``
    :raises BootstrapError: with the reason
    """
    seen = _look(call, wanted)
    pythons = {path: look.dotted(version) if version else None for path, version in seen.pythons}
    answer: Document = {"changed": False, "shipped": False, "pythons": pythons, "system": seen.system}
    found = look.usable(seen, wanted.minimum, wanted.prefix)
    if found:
        return {**answer, "interpreter": found, "msg": f"{found} is Python {pythons[found]}"}
    own, needed = f"{wanted.prefix}/bin/python3", look.dotted(wanted.minimum)
    why = f"{seen.told()}, and Ansible's modules need {needed}"
    ready = look.shipped(seen, wanted.minimum, wanted.prefix)
    try:
        offered = bundle()
        artifact = artifact_for(offered.artifacts, seen.machine)
    except (BootstrapError, BundleError) as error:
        if ready:
            text = f"{own} is Python {pythons[own]}; whether it is the bundle's is not known: {error}"
            return {**answer, "interpreter": own, "shipped": True, "msg": text}
        raise BootstrapError(f"{seen.system or 'the node'}: {why}; {error}") from error
    answer["shipped"] = True
    if ready and seen.mark == artifact["sha256"]:
        return {**answer, "interpreter": own, "msg": f"{own} is Python {pythons[own]}, from {artifact['file']}"}
    if seen.there and seen.mark is None:
        raise BootstrapError(f"{why}; {wanted.prefix} is there and was not made by npuforge: it is left alone")
    what = f"Python {artifact['version']} to {wanted.prefix} ({artifact['file']}, SHA-256 {artifact['sha256'][:12]}...)"
    if wanted.check:
        text = f"{why}: would ship {what}"
        say(text)
        return {**answer, "changed": True, "interpreter": own if ready else None, "msg": text}
    say(f"{why}: shipping {what}")
    try:
        _bring(call, wanted, (seen, offered, artifact), say)
        number = _do(
            call, ship.unpack(wanted.prefix, artifact["file"], artifact["sha256"], wanted.minimum), "installed"
        )
    except BootstrapError as error:
        raise BootstrapError(f"{why}; {artifact['file']}: {error}") from error
    text = f"{own} is Python {number}, shipped because {why}"
    return {**answer, "changed": True, "interpreter": own, "msg": text}


def artifact_for(artifacts: list[Document], machine: str) -> Document:
    """The bundle's Python for a machine, with a hash. :raises BootstrapError, BundleError: there is none to be used."""
    fitting = [entry for entry in select(artifacts, machine) if entry.get("id") == "python"]
    if not fitting:
        raise BootstrapError(f"the bundle has no Python (artifact python) for {machine}")
    wanted_of(fitting[0])
    if fitting[0].get("kind") != "tar":
        raise BootstrapError(f"{fitting[0]['file']}: expected a tar, compressed by gzip")
    return fitting[0]


def _bring(call: Call, wanted: Wanted, what: tuple[look.Look, Bundle, Document], say: Say) -> None:
    seen, bundle, artifact = what
    tools: list[str] = [name for name in ("curl", "wget") if name in seen.tools]
    tools += [path for path, version in seen.pythons if version and version[0] == 3]
    if wanted.transfer == "http" and not tools:
        raise BootstrapError("the node has neither curl nor wget nor a Python 3 to fetch with")
    if tools and wanted.transfer != "ssh":
        url = f"{bundle.url.rstrip('/')}/{path_of(artifact)}"
        say(f"fetching {url} with {tools[0]}")
        _do(call, ship.get(wanted.prefix, url, tools[0]), None)
        return
    try:
        content = bundle.local(artifact).read_bytes()
    except (BundleError, OSError) as error:
        raise BootstrapError(f"the file for the node cannot be had here: {error}") from error
    _do(call, ship.begin(wanted.prefix), None)
    for start in range(0, len(content), PIECE):
        _do(call, ship.piece(wanted.prefix), None, content[start : start + PIECE])
        done = min(start + PIECE, len(content))
        if done == len(content) or start // PIECE % 8 == 7:
            say(f"pushed {done / 1e6:.1f} of {len(content) / 1e6:.1f} MB")


def _look(call: Call, wanted: Wanted) -> look.Look:
    _, out, err = call(look.script(wanted.prefix, wanted.given), None)
    try:
        return look.parse(out)
    except look.LookError as error:
        raise BootstrapError(f"{error} {err.strip()[-300:]}".strip()) from error


def _do(call: Call, script: str, expected: str | None, data: bytes | None = None) -> str:
    """What the script says after its word ``expected``. :raises BootstrapError: with its own reason."""
    code, out, err = call(script, data)
    told = [line.partition(" problem ")[2] for line in out.splitlines() if line.startswith(f"{look.SAYS} problem ")]
    if code or told:
        reason = (
            (told[0].strip() if told else "")
            or err.strip()[-300:]
            or out.strip()[-300:]
            or f"the shell ended with {code}"
        )
        raise BootstrapError(" ".join(reason.split())[:600])
    for line in out.splitlines():
        word, _, rest = line.strip().partition(" ")
        if expected and word == look.SAYS and rest.partition(" ")[0] == expected:
            return rest.partition(" ")[2]
    if expected:
        raise BootstrapError(f"the node does not say how it ended: {out.strip()[-300:]}")
    return ""
