"""What driver and firmware a node has: version files, the installer's own record, and what ``npu-smi`` says runs.

Reading changes nothing. What could not be seen is None, with a note that says why.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple, Sequence

from ...common import note
from ...fabric.tool import Answer
from .. import npu_smi_fields
from ..hccn_parse import refusal
from . import version_files, versions
from .host import Host
from .version_files import InstallInfo, Package

BASE = "/usr/local/Ascend"
INSTALL_INFO = "/etc/ascend_install.info"
STATE = "/var/lib/npuforge/software/npu_driver.json"
COMPONENTS = ("driver", "firmware")
# The tool's own words when its driver was not installed to the end (npu-smi's source).
_INCOMPLETE = re.compile(r"The driver package may not be completely installed")


class Boards(NamedTuple):
    """What ``npu-smi info -t board`` told. ``driver``: the version that runs, None where chips differ or none answers.

    ``firmware``, ``compatibility``: per chip. ``told``: the tool was asked and ended. ``incomplete``: it warned.
    """

    driver: str | None
    firmware: list[str | None]
    compatibility: list[str | None]
    told: bool
    incomplete: bool
    problem: str | None


class Seen(NamedTuple):
    """``state``: our own note of what we installed; ``packages`` in it: where the packages of earlier versions are."""

    packages: Mapping[str, Package]
    info: InstallInfo
    boards: Boards
    pci: list[str] | None
    state: Mapping[str, Any]
    kernel: str
    boot_id: str | None
    answers: list[Answer]
    texts: Mapping[str, str]
    notes: list[dict[str, str]]


def version_path(component: str, info: InstallInfo) -> str:
    """Where a package keeps its version. The record of the installation may name another base folder."""
    base = info.path if info.path and info.path.startswith("/") and ".." not in info.path else BASE
    return f"{base.rstrip('/')}/{component}/version.info"


class Written(NamedTuple):
    """What the files say. ``texts``: path -> content, for evidence and to put one back."""

    packages: Mapping[str, Package]
    info: InstallInfo
    texts: Mapping[str, str]
    notes: list[dict[str, str]]


def read_files(host: Host) -> Written:
    """The version files and the installer's record; no program is asked."""
    notes: list[dict[str, str]] = []
    texts = {}
    info_text = host.read(INSTALL_INFO)
    info = version_files.parse_install_info(info_text)
    if info_text is not None:
        texts[INSTALL_INFO] = info_text
    packages = {}
    for component in COMPONENTS:
        path = version_path(component, info)
        text = host.read(path)
        packages[component] = version_files.parse_package(text)
        if text is not None:
            texts[path] = text
            if packages[component].problem is not None:
                notes.append(note(f"npu_software.{component}.installed", f"{path}: {packages[component].problem}"))
        else:
            notes.append(note(f"npu_software.{component}.installed", f"{path}: there is no such file"))
    if info.doubted:
        notes.append(note("npu_software.install_status", f"{INSTALL_INFO} has two values of Driver_Install_Status"))
    return Written(packages, info, texts, notes)


def read(host: Host, tool: Any) -> Seen:
    """Look. ``tool``: ``fabric.tool.Tool`` of npu-smi, or anything with its ``short`` and ``spread``."""
    packages, info, texts, notes = read_files(host)
    answers: list[Answer] = []
    boards = read_boards(tool, answers)
    if boards.problem is not None:
        notes.append(note("npu_software.driver.loaded, npu_software.firmware.running", boards.problem))
    state = host.read_json(STATE)
    return Seen(packages, info, boards, host.pci_devices(), state, host.kernel(), host.boot_id(), answers, texts, notes)


def read_boards(tool: Any, answers: list[Answer]) -> Boards:
    """Ask the tool for its NPUs and each one's board; without a driver it says so at once."""
    nothing = Boards(None, [], [], True, False, None)
    first: Answer = tool.short(["info", "-l"])
    answers.append(first)
    incomplete = bool(_INCOMPLETE.search(first.text))
    if first.rc == 127:
        return nothing._replace(problem=f"npu-smi cannot be run ({first.text.strip()[:80]}): no driver is installed")
    if first.rc is None:
        return nothing._replace(told=False, problem=f"npu-smi gave no answer within {first.seconds:.0f} s")
    why = refusal(first.text)
    listing = npu_smi_fields.parse_list(first.text)
    if why is not None or listing.value is None:
        return nothing._replace(incomplete=incomplete, problem=why or f"npu-smi info -l: {listing.problem}")
    npus: Sequence[Mapping[str, int]] = listing.value["npus"]

    def ask(npu: Mapping[str, int]) -> Answer:
        told: Answer = tool.short(["info", "-t", "board", "-i", str(npu["npu_id"])])
        return told

    drivers: set[str | None] = set()
    firmware: list[str | None] = []
    compatibility: list[str | None] = []
    problem = None
    for npu, answer in zip(npus, tool.spread(ask, npus)):
        answers.append(answer)
        incomplete = incomplete or bool(_INCOMPLETE.search(answer.text))
        reading = npu_smi_fields.parse_type("board", answer.text, npu["npu_id"])
        if answer.rc is None or reading.value is None:
            late = f"gave no answer within {answer.seconds:.0f} s"
            problem = f"npu-smi of NPU {npu['npu_id']}: {late if answer.rc is None else reading.problem}"
        rows = (reading.value or {}).get("chips") or [{}]
        row = rows[0] if answer.rc is not None else {}
        drivers.add(row.get("driver_version"))
        # A board's lines are the card's and hold for all chips on it.
        firmware += [row.get("firmware_version")] * max(1, npu["chip_count"])
        compatibility += [row.get("compatibility")] * max(1, npu["chip_count"])
    told = drivers - {None}
    if len(told) > 1:
        problem = f"chips name different drivers: {', '.join(sorted(str(each) for each in told))}"
    loaded = told.pop() if len(told) == 1 and None not in drivers else None
    return Boards(loaded, firmware, compatibility, True, incomplete, problem)


def broken(seen: Seen, component: str) -> str | None:
    """Why a component counts as not installed to its end; None: it is whole, or not there at all."""
    package = seen.packages[component]
    running = seen.state.get("running")
    begun = running.get(component) if isinstance(running, dict) else None
    if begun is not None and not _ended(seen, component, begun):
        return f"an installation of {component} {begun} was interrupted"
    there = package.problem is not None and package != version_files.ABSENT
    if there:
        return f"its version file is broken ({package.problem})"
    if component == "firmware":
        return None
    if package.version is None:
        return f"{INSTALL_INFO} names it and its version file is missing" if seen.info.path else None
    status = seen.info.status
    if status is not None and status != version_files.COMPLETE:
        return f"Driver_Install_Status is {status[:40]!r}, not complete"
    if status is None and seen.boards.incomplete:
        return "npu-smi says that it was not installed completely"
    return None


def _ended(seen: Seen, component: str, version: Any) -> bool:
    """Whether the installer of a run of ours that was killed came to its end alone: it writes ``complete`` last.

    The old ``complete`` is taken out before an installer starts. The firmware's leaves no such word.
    """
    same = versions.same(seen.packages["driver"].version, str(version))
    return component == "driver" and same and seen.info.status == version_files.COMPLETE


def install_status(seen: Seen) -> str | None:
    """complete, incomplete, absent; None: it cannot be told (old drivers keep no status)."""
    driver = seen.packages["driver"]
    if broken(seen, "driver") is not None or broken(seen, "firmware") is not None:
        return "incomplete"
    if driver.version is None:
        return "absent"
    if seen.info.status == version_files.COMPLETE or versions.same(seen.boards.driver, driver.version):
        return "complete"
    return None


def stale_kernel(seen: Seen) -> str | None:
    """Why the driver's modules must be built again: we built them for another kernel, and none is loaded now."""
    mine = seen.state.get("driver")
    if not isinstance(mine, dict) or seen.packages["driver"].version is None:
        return None
    built_for = mine.get("kernel")
    not_loaded = seen.boards.told and seen.boards.driver is None and not any(seen.boards.firmware)
    if built_for and built_for != seen.kernel and not_loaded:
        return f"its modules were built for kernel {built_for}, {seen.kernel} runs, and it is not loaded"
    return None
