"""What a machine shows over SSH before and after: mounted data, and whether it is what the kickstart asked for. Pure.

``seen`` holds the outputs of ``COMMANDS``; each is text, or ``None`` when the command failed. What cannot be told is a
note, never a guess.
"""

from __future__ import annotations

import json
import re
from typing import Iterator, NamedTuple

from ..common import Document, as_dict, as_list, as_text
from . import disks
from .kickstart import MARKER

# One call over SSH; no privileges needed.
COMMANDS = {
    "marker": f"cat {MARKER}",
    "os_release": "cat /etc/os-release",
    "hostname": "cat /proc/sys/kernel/hostname",
    "lsblk": "lsblk --json --paths --bytes --output NAME,TYPE,SERIAL,WWN,SIZE,MOUNTPOINT",
    "mounts": "cat /proc/self/mounts",
    "mdstat": "cat /proc/mdstat",
    "addresses": "ip -j -4 addr show",
}
_BOUNDARY = "npuforge-install-boundary"
_SYSTEM_MOUNTS = re.compile(r"^(/|/boot(/.*)?|/usr|/var(/log(/audit)?|/tmp)?|/tmp|/home|/opt|\[SWAP\])$")


def script() -> str:
    """A shell text that runs ``COMMANDS`` and can be taken apart by ``parts``."""
    lines = []
    for name, command in COMMANDS.items():
        lines.append(f"echo; echo {_BOUNDARY} {name}; {command} 2>/dev/null; code=$?; echo; echo {_BOUNDARY} $code")
    return "\n".join(lines)


def parts(output: str) -> dict[str, str | None]:
    """``{name of a command: its output, or None when it failed or is not there}``."""
    found: dict[str, str | None] = dict.fromkeys(COMMANDS)
    name: str | None = None
    lines: list[str] = []
    for line in output.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == _BOUNDARY:
            if name is not None and words[1] == "0":
                found[name] = "\n".join(lines).strip("\n")
            name, lines = (words[1] if words[1] in COMMANDS else None), []
        else:
            lines.append(line)
    return found


class Block(NamedTuple):
    """One block device of ``lsblk`` with the whole disks it lies on."""

    path: str
    kind: str
    serial: str | None
    wwn: str | None
    mount: str | None
    roots: tuple[str, ...]


def blocks(text: str | None) -> list[Block] | None:
    """The devices of ``lsblk --json``, those over several disks (RAID) once with all of them.

    ``None`` when the text cannot be read.
    """
    try:
        tree = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    listed = as_dict(tree).get("blockdevices")
    if not isinstance(listed, list):
        return None
    found: dict[str, Block] = {}
    for top in listed:
        for block in _walk(as_dict(top), None, 0):
            known = found.get(block.path)
            roots = block.roots if known is None else tuple(dict.fromkeys(known.roots + block.roots))
            found[block.path] = block._replace(roots=roots, mount=block.mount or (known.mount if known else None))
    return list(found.values())


def _walk(item: Document, root: str | None, depth: int) -> Iterator[Block]:
    path = as_text(item.get("name"))
    if path is None or depth > 16:
        return
    root = root or path
    yield Block(
        path,
        as_text(item.get("type")) or "",
        as_text(item.get("serial")),
        as_text(item.get("wwn")),
        as_text(item.get("mountpoint")),
        (root,),
    )
    for child in as_list(item.get("children")):
        yield from _walk(as_dict(child), root, depth + 1)


def mounted_data(seen: dict[str, str | None]) -> list[str] | None:
    """Sentences about data that is in use on this machine's disks; ``None``: it cannot be told.

    Data is what is mounted from a disk at a place that no system of its own has (/data, /var/lib/...).
    """
    found = blocks(seen["lsblk"])
    if found is None or seen["mounts"] is None:
        return None
    on = {block.path: block for block in found if block.kind not in ("loop", "rom")}
    sentences = []
    for line in seen["mounts"].splitlines():
        words = line.split(" ")
        block = on.get(words[0]) if len(words) > 3 else None
        if block is not None and not _SYSTEM_MOUNTS.match(words[1]):
            serials = [other.serial or other.path for other in found if other.path in block.roots]
            sentences.append(f"{words[1]} is mounted from {block.path} (disk {', '.join(serials)})")
    return sentences


def install_of(seen: dict[str, str | None]) -> str | None:
    """The secret word of the installation that made this system, or ``None``."""
    try:
        return as_text(as_dict(json.loads(seen["marker"] or "")).get("install"))
    except (ValueError, RecursionError):
        return None


def judge(wanted: Document, chosen: disks.Chosen, install: str, seen: dict[str, str | None]) -> Document:
    """What came of an installation: ``{problems: [sentences], notes: [sentences], distribution, layout}``."""
    problems: list[str] = []
    notes: list[str] = []
    if install_of(seen) != install:
        problems.append("the system that answers was not made by this installation")
    release = _release(seen["os_release"])
    expected = wanted["distribution"]
    there = (release.get("ID"), release.get("VERSION_ID"))
    if (str(there[0]).lower(), str(there[1])) != (str(expected["id"]).lower(), str(expected["version"])):
        problems.append(f"the system is {there[0]} {there[1]} instead of {expected['id']} {expected['version']}")
    if seen["hostname"] is None:
        notes.append("the host name cannot be seen")
    elif seen["hostname"].strip() != wanted["hostname"]:
        problems.append(f"the host name is {seen['hostname'].strip()!r} instead of {wanted['hostname']!r}")
    _addresses(wanted, seen["addresses"], problems, notes)
    layout = _layout(wanted, chosen, seen, problems, notes)
    return {
        "problems": problems,
        "notes": notes,
        "distribution": " ".join(str(word) for word in there if word) or None,
        "layout": layout,
    }


def _release(text: str | None) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in (text or "").splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def _addresses(wanted: Document, text: str | None, problems: list[str], notes: list[str]) -> None:
    address = wanted["network"]["address"].split("/")[0]
    try:
        links = as_list(json.loads(text or ""))
    except (ValueError, RecursionError):
        notes.append("the addresses cannot be seen")
        return
    found = [as_dict(info).get("local") for link in links for info in as_list(as_dict(link).get("addr_info"))]
    if address not in found:
        told = ", ".join(str(item) for item in found) or "none"
        problems.append(f"it has not the address {address} (it has {told})")


def _layout(
    wanted: Document, chosen: disks.Chosen, seen: dict[str, str | None], problems: list[str], notes: list[str]
) -> list[Document] | None:
    """Which disks each mount lies on, judged by serial number; ``None`` where the machine does not show it."""
    found = blocks(seen["lsblk"])
    if found is None:
        notes.append("disks and their layout cannot be seen (lsblk)")
        return None
    paths: dict[str, disks.Disk] = {}
    for disk in chosen.all():
        path = _path_of(disk, found)
        if path is None:
            notes.append(f"the system does not tell which of its disks is {disk.told()}")
        else:
            paths[path] = disk
    # lsblk shows one mount of a device; the table of mounts shows all.
    mounts = _mounts(found, seen["mounts"])
    layout = []
    for mount, group in _places(wanted, chosen):
        block = mounts.get(mount)
        if block is None or not paths:
            notes.append(f"it cannot be seen what {mount} lies on")
            continue
        slots = sorted(paths[root].slot if root in paths else root for root in block.roots)
        layout.append({"mount": mount, "device": block.path, "kind": block.kind, "disks": slots})
        if slots != sorted(disk.slot for disk in group):
            told = ", ".join(sorted(disk.told() for disk in group))
            problems.append(f"{mount} lies on {', '.join(slots)} instead of {told}")
    if len(chosen.system) == 2:
        _pair(seen["mdstat"], problems, notes)
    return layout


def _places(wanted: Document, chosen: disks.Chosen) -> Iterator[tuple[str, list[disks.Disk]]]:
    for mount in ("/boot", *(volume["mount"] for volume in wanted["volumes"])):
        yield mount, chosen.system
    for disk, data in zip(chosen.data, wanted["data_disks"]):
        yield data["mount"], [disk]


def _path_of(disk: disks.Disk, found: list[Block]) -> str | None:
    serial, wwn = (disk.serial or "").lower(), disks.wwn_of(disk.wwn)
    for block in found:
        if block.kind != "disk":
            continue
        if serial and (block.serial or "").lower() == serial:
            return block.path
        if wwn and disks.wwn_of(block.wwn) == wwn:
            return block.path
    return None


def _mounts(found: list[Block], text: str | None) -> dict[str, Block]:
    by_path = {block.path: block for block in found}
    mounts = {block.mount: block for block in found if block.mount}
    for line in (text or "").splitlines():
        words = line.split(" ")
        if len(words) > 3 and words[0] in by_path:
            mounts[words[1]] = by_path[words[0]]
    return mounts


def _pair(text: str | None, problems: list[str], notes: list[str]) -> None:
    """A mirror that lacks a half is a problem; one that is still being filled is not."""
    arrays = re.findall(r"^(md\S+)\s*:\s*active.*?\n\s+.*?\[(\d+)/(\d+)\]\s+\[([U_]+)\]", text or "", re.MULTILINE)
    if not arrays:
        notes.append("no mirror can be seen (/proc/mdstat)")
    for name, wanted, _, state in arrays:
        if wanted != "2" or "_" in state:
            problems.append(f"mirror {name} is not whole: [{state}]")
