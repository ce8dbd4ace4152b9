"""What must be so before an installer starts; all problems at once, each with what to do.

The order of the vendor's own checks (root, architecture, user, tools, space, headers, other installers, users of the
chips), so that a node that passes here is not refused there after ten minutes.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from .. import npu_smi_table
from . import installer
from .driver_plan import Plan, Step, User
from .driver_read import Seen
from .host import Host

# Program -> package that brings it on openEuler and Kylin (vendor's list of needed packages, check_tools.conf).
PROGRAMS: Mapping[str, str] = {
    "dkms": "dkms",
    "gcc": "gcc",
    "make": "make",
    "ifconfig": "net-tools",
    "lspci": "pciutils",
}
DRIVER_MIB, FIRMWARE_MIB = 300, 32  # the installers' own limits (checkFreeSpace)
UNPACKED_FACTOR = 3  # a package unpacks into TMPDIR, about three times its size, before it copies
TEMPORARY = "/tmp"  # noqa: S108 - where the vendor's packages unpack themselves
CHIPS = {"910b": "0xd802", "a3": "0xd803", "310p": "0xd500"}
ALL_IN_ONE = "/etc/HiAI_install.info"


class Rules(NamedTuple):
    """``headers``: the driver builds its modules here. ``allow_busy``: install though chips are in use."""

    programs: Mapping[str, str] = PROGRAMS
    headers: bool = True
    allow_busy: bool = False
    allow_reinstall: bool = True
    packages: str = "/var/lib/npuforge/packages"


def problems(host: Host, seen: Seen, plan: Plan, user: User, rules: Rules, *, tool: Any) -> list[str]:
    """Sentences; none: it may begin. Asks only where something is planned."""
    if not plan.steps:
        return list(plan.problems)
    told = list(plan.problems)
    parts = [step for step in plan.steps if step.kind in ("driver", "firmware")]
    if host.uid() != 0:
        told.append("root is needed: give the deploying user sudo (become)")
    told += _packages(host, seen, parts)
    told += _user(host, seen, parts, user)
    if any(step.kind == "driver" for step in parts):
        told += _tools(host, rules)
    told += _space(host, parts, rules)
    told += [f"another installer runs ({each}): wait for it" for each in installer.others(host)]
    if host.exists(ALL_IN_ONE):
        told.append(f"an older all-in-one package is installed ({ALL_IN_ONE}): remove it first")
    if not rules.allow_reinstall:
        told += [
            f"{step.words}; reinstalling is not allowed here (allow_reinstall)"
            for step in parts
            if "reinstall" in step.words
        ]
    if not rules.allow_busy:
        told += _users_of_chips(host, seen, parts, tool)
    return list(dict.fromkeys(told))


def _packages(host: Host, seen: Seen, parts: Sequence[Step]) -> list[str]:
    told = []
    for step in parts:
        if step.artifact is None:
            continue
        name = str(step.artifact.get("file", ""))
        # The bundle's entry can be wrong about the file that it names.
        other = {"aarch64": "x86-64", "x86_64": "aarch64"}.get(host.machine())
        if other and f"linux-{other}" in name.replace("x86_64", "x86-64"):
            told.append(f"{name} is for {other} and this machine is {host.machine()}")
        chip = step.artifact.get("chip")
        wanted = CHIPS.get(str(chip).lower()) if chip else None
        if wanted and seen.pci and wanted not in seen.pci:
            told.append(
                f"{name} is for chip {chip} ({wanted}) and the NPUs here are {', '.join(sorted(set(seen.pci)))}"
            )
    return told


def _user(host: Host, seen: Seen, parts: Sequence[Step], user: User) -> list[str]:
    told = []
    if any("--full" in step.flags for step in parts) and seen.info.user == "root":
        told.append(
            "the last installation was made for user root, which --full refuses: correct /etc/ascend_install.info"
        )
    if user.uid is not None and host.person(user.name) is None:
        holder = host.owner_of("/etc/passwd", user.uid)
        if holder not in (None, user.name):
            told.append(f"uid {user.uid} for {user.name} belongs to {holder}: choose another one (install_user)")
    if user.gid is not None and host.group(user.group) is None:
        holder = host.owner_of("/etc/group", user.gid)
        if holder not in (None, user.group):
            told.append(f"gid {user.gid} for group {user.group} belongs to {holder}: choose another one (install_user)")
    return told


def _tools(host: Host, rules: Rules) -> list[str]:
    missing = {program: package for program, package in rules.programs.items() if host.which(program) is None}
    told = []
    if missing:
        packages = " ".join(dict.fromkeys(missing.values()))
        told.append(f"programs are missing: {', '.join(missing)} (install {packages})")
    if rules.headers:
        told += _headers(host)
    return told


def _headers(host: Host) -> list[str]:
    """Headers must be those of the kernel that runs; others build modules that it refuses to load.

    A folder without its Makefile is what a removed package leaves.
    """
    kernel = host.kernel()
    folders = (f"/lib/modules/{kernel}/build", f"/usr/src/kernels/{kernel}", f"/usr/src/linux-headers-{kernel}")
    if any(host.exists(f"{folder}/Makefile") for folder in folders):
        return []
    if host.exists("/etc/dpkg/dpkg.cfg") and not host.exists("/etc/yum.repos.d"):
        return [f"headers of kernel {kernel} are missing (install linux-headers-{kernel})"]
    others = [path.rpartition("/")[2] for path in host.find("/usr/src/kernels/*")]
    there = f"; there are those of {', '.join(others[:4])}" if others else ""
    return [f"headers of kernel {kernel} are missing{there} (install kernel-devel-{kernel} kernel-headers-{kernel})"]


def _space(host: Host, parts: Sequence[Step], rules: Rules) -> list[str]:
    sizes = [int((step.artifact or {}).get("size_bytes") or 0) >> 20 for step in parts]
    needs = {
        "/usr/local/Ascend": sum(DRIVER_MIB if step.kind == "driver" else FIRMWARE_MIB for step in parts),
        TEMPORARY: UNPACKED_FACTOR * max(sizes, default=0),
        rules.packages: sum(sizes) + 1,
    }
    told = []
    for path, wanted in needs.items():
        free = host.free_mib(path)
        if free is not None and free < wanted:
            told.append(f"{path}: {free} MiB are free and {wanted} MiB are needed")
    return told


def _users_of_chips(host: Host, seen: Seen, parts: Sequence[Step], tool: Any) -> list[str]:
    """Who would lose the chips. A list without processes proves nothing: containers hide theirs, so memory counts."""
    if seen.boards.driver is None and not any(seen.boards.firmware):
        return []
    told = [f"chips are in use: {each} (stop it, or allow_busy)" for each in host.chip_holders()]
    table = npu_smi_table.parse_table(tool.short(["info"]).text)
    for process in (table.value or {}).get("processes") or []:
        words = f"process {process['pid']} ({process['name'] or 'no name'})"
        told.append(f"chips are in use: {words} on NPU {process['npu_id']} (stop it, or allow_busy)")
    if not told:
        for chip in (table.value or {}).get("chips", []):
            if npu_smi_table.idle(chip) is False:
                held = chip["hbm_used_mib"] if chip["hbm_used_mib"] is not None else chip["memory_used_mib"]
                told.append(f"chips are in use: NPU {chip['npu_id']} holds {held} MiB without a process (a container?)")
    return told
