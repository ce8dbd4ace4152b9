"""What a kickstart asks of a simulated server, as its installer understands it: pykickstart reads it, this judges it.

``read`` refuses what anaconda would stop at: words that pykickstart does not take, a disk that is not there, a mirror
of one disk, a volume without a group, no root file system, a disk that is used and not among those it may touch.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pykickstart.errors import KickstartError
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

SYNTAX = "F36"  # what openEuler 24.03's installer (anaconda 36) reads
MIB = 1 << 20


class Stopped(Exception):
    """The installer stops; the text is what it says. Nothing was erased."""


@dataclass(frozen=True)
class Use:
    """What a disk is used for. ``mounts`` lie on it, ``encrypted`` when any of them does so under LUKS."""

    slot: str
    mounts: tuple[str, ...]
    raid: bool
    encrypted: bool


@dataclass(frozen=True)
class Script:
    """A %post section, to be run in the new system."""

    interpreter: str
    text: str
    fatal: bool


@dataclass(frozen=True)
class Order:
    """What the installer is told to make."""

    hostname: str
    address: str
    user: str
    password_hash: str | None
    keys: tuple[str, ...]
    uses: tuple[Use, ...]
    posts: tuple[Script, ...]
    packages: tuple[str, ...]


def read(text: bytes, node: Mapping[str, Any]) -> Order:
    """Understand a kickstart for this server. Stopped: it cannot be carried out."""
    make: Any = makeVersion  # pykickstart has no types
    kind: Any = KickstartParser
    handler = make(SYNTAX)
    parser = kind(handler)
    try:
        parser.readKickstartFromString(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Stopped(f"the kickstart is not UTF-8: {error}") from error
    except KickstartError as error:
        raise Stopped(f"the kickstart is refused: {' '.join(str(error).split())}") from error
    if not handler.url.url and not handler.repo.repoList:
        raise Stopped("the kickstart names no source of packages")
    hostname, address = _network(handler, node)
    user, hashed = _user(handler)
    keys = tuple(item.key for item in handler.sshkey.sshUserList if item.username == user)
    return Order(
        hostname=hostname,
        address=address,
        user=user,
        password_hash=hashed,
        keys=keys,
        uses=tuple(_storage(handler, node["drives"])),
        posts=tuple(
            Script(script.interp, script.script, bool(script.errorOnFail))
            for script in handler.scripts
            if script.type == 1  # KS_SCRIPT_POST
        ),
        packages=tuple(handler.packages.packageList),
    )


def _network(handler: Any, node: Mapping[str, Any]) -> tuple[str, str]:
    ports = {port["mac"].lower(): port for nic in node["nics"] if nic["present"] for port in nic["ports"]}
    for item in handler.network.network:
        if item.bootProto != "static" or not item.device:
            continue
        port = ports.get(item.device.lower())
        if port is None:
            raise Stopped(f"network: there is no port with the address {item.device}")
        if port["link"] != "up":
            raise Stopped(f"network: {item.device} has no link")
        try:
            found = ipaddress.IPv4Interface(f"{item.ip}/{item.netmask}")
        except ValueError as error:
            raise Stopped(f"network: {error}") from error
        return item.hostname or handler.network.hostname or "localhost", str(found.ip)
    raise Stopped("network: no port gets an address")


def _user(handler: Any) -> tuple[str, str | None]:
    for user in handler.user.userList:
        if "wheel" in user.groups:
            if user.password and not user.isCrypted:
                raise Stopped(f"the password of {user.name} is there in clear")
            return user.name, user.password or None
    raise Stopped("root is locked and there is no other administrator")


def links(drive: Mapping[str, Any]) -> list[str]:
    """The names below /dev that udev gives a drive."""
    model, serial, wwn = (str(drive[key]).replace(" ", "_") for key in ("model", "serial", "wwn"))
    if drive["protocol"] == "NVMe":
        return [f"disk/by-id/nvme-{model}_{serial}", f"disk/by-id/nvme-eui.{wwn.lower()}"]
    return [f"disk/by-id/ata-{model}_{serial}", f"disk/by-id/wwn-0x{wwn.lower()}"]


def drive_of(spec: str, drives: Iterable[Mapping[str, Any]]) -> str:
    """The slot of the one disk that a kickstart's word for a disk means. Stopped: none, or several."""
    name = spec.removeprefix("/dev/")
    found = [
        str(drive["slot"])
        for drive in drives
        if drive["present"] and any(fnmatch.fnmatchcase(link, name) for link in links(drive))
    ]
    if len(found) != 1:
        told = f"several disks ({', '.join(found)})" if found else "no disk"
        raise Stopped(f"disk {spec} means {told}")
    return found[0]


def _storage(handler: Any, drives: list[Mapping[str, Any]]) -> list[Use]:
    allowed = {drive_of(spec, drives) for spec in handler.ignoredisk.onlyuse}
    erased = {drive_of(spec, drives) for spec in handler.clearpart.drives}
    if not allowed or not erased <= allowed:
        raise Stopped("clearpart takes disks that ignoredisk does not allow")
    if handler.bootloader.bootDrive:
        drive_of(handler.bootloader.bootDrive, drives)
    on: dict[str, list[str]] = {}  # what it is called (raid.11, pv.system, /data) -> disks
    mib: dict[str, int] = dict.fromkeys(allowed, 0)
    encrypted: set[str] = set()
    for part in handler.partition.partitions:
        slot = drive_of(part.disk, drives) if part.disk else ""
        if slot not in erased:
            raise Stopped(f"part {part.mountpoint}: {slot or 'no disk'} is not among those that are erased")
        on.setdefault(part.mountpoint, []).append(slot)
        mib[slot] += part.size or 1
        if part.encrypted:
            if not part.passphrase:
                raise Stopped(f"part {part.mountpoint}: encrypted without a passphrase")
            encrypted.add(slot)
    mirrored: set[str] = set()
    for raid in handler.raid.raidList:
        members = [slot for member in raid.members for slot in on.pop(member, [])]
        if len(set(members)) < 2 or len(members) != len(raid.members):
            raise Stopped(f"raid {raid.mountpoint}: a mirror needs two disks")
        on[raid.mountpoint] = members
        mirrored |= set(members)
    _volumes(handler, on, mib)
    for needed in ("/", "/boot/efi"):
        if needed not in on:
            raise Stopped(f"there is no {needed}")
    sizes = {drive["slot"]: int(drive["capacity_bytes"]) // MIB for drive in drives}
    for slot, wanted in mib.items():
        if wanted > sizes[slot]:
            raise Stopped(f"{slot} has {sizes[slot]} MiB and {wanted} MiB are wanted")
    mounts = {slot: tuple(sorted(m for m, disks in on.items() if slot in disks)) for slot in sorted(allowed)}
    return [Use(slot, mounts[slot], slot in mirrored, slot in encrypted) for slot in mounts]


def _volumes(handler: Any, on: dict[str, list[str]], mib: dict[str, int]) -> None:
    groups: dict[str, list[str]] = {}
    for group in handler.volgroup.vgList:
        missing = [volume for volume in group.physvols if volume not in on]
        if missing:
            raise Stopped(f"volgroup {group.vgname}: there is no {', '.join(missing)}")
        groups[group.vgname] = [slot for volume in group.physvols for slot in on.pop(volume)]
    for volume in handler.logvol.lvList:
        if volume.vgname not in groups:
            raise Stopped(f"logvol {volume.mountpoint}: there is no group {volume.vgname}")
        on[volume.mountpoint] = groups[volume.vgname]
        for slot in set(groups[volume.vgname]):
            mib[slot] += volume.size or 1
