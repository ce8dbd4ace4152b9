"""What a host shall become (``os_install``): defaults, and every mistake at once. Pure.

The site's ``site_os_install`` and the host's ``os_install`` have the same keys; a host's key replaces the site's.
docs/os-install.md explains each key.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Iterator, Tuple

from ..common import Document
from .disks import IDENTITY

Problem = Tuple[str, Any, str]  # key within os_install, value as given, what was expected

DEFAULTS: Document = {
    "distribution": {"id": "openEuler", "version": "24.03"},
    "installer": None,
    "repository": None,
    "system_disks": [],
    "raid1": None,
    "volume_group": "system",
    "volumes": [
        {"name": "root", "mount": "/", "size_gib": 100, "filesystem": "xfs"},
        {"name": "var", "mount": "/var", "size_gib": 200, "filesystem": "xfs"},
    ],
    "data_disks": [],
    "luks": {"key": None},
    "hostname": None,
    "network": {},
    "user": "deploy",
    "password_hash": None,
    "ssh_keys": [],
    "packages": ["openssh-server", "python3", "sudo", "chrony", "tar"],
    "environment": "minimal-environment",
    "language": "en_US.UTF-8",
    "timezone": "Asia/Shanghai",
    "selinux": "enforcing",
    "kernel_arguments": "",
}
BOOT_MIB, EFI_MIB = 1024, 600
_NAME = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$")
_HOST = re.compile(r"^(?=.{1,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")
_MAC = re.compile(r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")
_MOUNT = re.compile(r"^/([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$")
_WORD = re.compile(r"^[A-Za-z0-9@^][A-Za-z0-9@^+._:/-]*$")
_LINE = re.compile(r"^[\x20-\x7e]*$")
_CRYPT = re.compile(r"^\$(5|6|y|2b)\$[./A-Za-z0-9$,=]{20,200}$")
_KEY = re.compile(r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]{40,} ?[\x20-\x7e]*$")
_URL = re.compile(r"^https?://[A-Za-z0-9.\[\]:-]+/[\x21-\x7e]*$")
_KEPT = ("/boot", "/boot/efi", "/proc", "/sys", "/dev", "/run", "/etc", "/bin", "/sbin", "/lib")


def merged(site: Any, host: Any) -> Document:
    """Defaults, replaced by the site's keys, replaced by the host's. What is not a mapping counts as nothing."""
    result = dict(DEFAULTS)
    for given in (site, host):
        if isinstance(given, dict):
            result.update(given)
    return result


def problems(wanted: Document) -> list[Problem]:
    """All mistakes of a merged ``os_install``, before anything is known of the machine's real disks."""
    found: list[Problem] = [
        (str(key), wanted[key], "one of the keys " + ", ".join(DEFAULTS)) for key in wanted if key not in DEFAULTS
    ]
    for key, check in _CHECKS.items():
        found += [(key + where, value, expected) for where, value, expected in check(wanted[key])]
    if not found:
        found += _together(wanted)
    return found


def _together(wanted: Document) -> Iterator[Problem]:
    """What is wrong only when it is seen together."""
    disks = wanted["system_disks"]
    if wanted["raid1"] is True and len(disks) != 2:
        yield "raid1", True, f"two system_disks for a pair, not {len(disks)}"
    if wanted["raid1"] is False and len(disks) == 2:
        yield "raid1", False, "one of system_disks, or raid1: true for the pair"
    named: dict[str, str] = {}
    places = [(f"system_disks[{i}]", name) for i, name in enumerate(disks)]
    places += [(f"data_disks[{i}].disk", item["disk"]) for i, item in enumerate(wanted["data_disks"])]
    for key, name in places:
        if name.lower() in named:
            yield key, name, f"another disk than {named[name.lower()]}"
        named.setdefault(name.lower(), key)
    mounts: dict[str, str] = {}
    places = [(f"volumes[{i}].mount", item["mount"]) for i, item in enumerate(wanted["volumes"])]
    places += [(f"data_disks[{i}].mount", item["mount"]) for i, item in enumerate(wanted["data_disks"])]
    for key, mount in places:
        if mount in mounts:
            yield key, mount, f"another place than {mounts[mount]}"
        mounts.setdefault(mount, key)
    if "/" not in [item["mount"] for item in wanted["volumes"]]:
        yield "volumes", [item["mount"] for item in wanted["volumes"]], "a volume that is mounted at /"
    names = [item["name"] for item in wanted["volumes"]]
    if len(set(names)) != len(names):
        yield "volumes", names, "each name once"
    encrypted = [i for i, item in enumerate(wanted["data_disks"]) if item.get("luks")]
    if encrypted and wanted["luks"]["key"] is None:
        yield "luks.key", None, f"a key, as data_disks[{encrypted[0]}].luks is true (put it into the vault)"
    if not wanted["ssh_keys"]:
        yield "ssh_keys", [], "at least one public key: after the first boot nobody gets in otherwise"


# One key at a time ---------------------------------------------------------------------------------------------------

Found = Iterator[Tuple[str, Any, str]]


def _text(pattern: Any, expected: str, optional: bool = False) -> Callable[[Any], Found]:
    def check(value: Any) -> Found:
        if not ((optional and value is None) or (isinstance(value, str) and pattern.match(value))):
            yield "", value, expected

    return check


def _list(check: Callable[[Any], Found], most: int, least: int = 0) -> Callable[[Any], Found]:
    def run(value: Any) -> Found:
        if not isinstance(value, list) or not least <= len(value) <= most:
            yield "", value, f"a list of {least} to {most}"
            return
        for number, item in enumerate(value):
            for where, wrong, expected in check(item):
                yield f"[{number}]{where}", wrong, expected

    return run


def _mapping(checks: dict[str, Callable[[Any], Found]], optional: tuple[str, ...] = ()) -> Callable[[Any], Found]:
    def run(value: Any) -> Found:
        if not isinstance(value, dict):
            yield "", value, "a mapping with " + ", ".join(checks)
            return
        for key in value:
            if key not in checks:
                yield f".{key}", value[key], "one of the keys " + ", ".join(checks)
        for key, check in checks.items():
            if key not in value and key in optional:
                continue
            for where, wrong, expected in check(value.get(key)):
                yield f".{key}{where}", wrong, expected

    return run


def _one_of(*values: Any) -> Callable[[Any], Found]:
    def check(value: Any) -> Found:
        if not any(value is known or (isinstance(value, str) and value == known) for known in values):
            yield "", value, "one of " + ", ".join(str(known) for known in values)

    return check


def _size(value: Any) -> Found:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1048576:
        yield "", value, "a whole number of GiB from 1 to 1048576"


def _mount(value: Any) -> Found:
    if not isinstance(value, str) or not _MOUNT.match(value) or value in _KEPT or ".." in value.split("/"):
        yield "", value, "a directory such as / or /var/lib/docker, not one that the installer keeps for itself"


def _data_mount(value: Any) -> Found:
    yield from _mount(value)
    if value == "/":
        yield "", value, "another place than /, which is on the system's disks"


def _interface(value: Any) -> Found:
    """An address with its prefix length: 10.0.0.12/24."""
    try:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError
        address = ipaddress.IPv4Interface(value)
        if address.network.prefixlen < 31 and address.ip in (
            address.network.network_address,
            address.network.broadcast_address,
        ):
            raise ValueError
    except ValueError:
        yield "", value, "an IPv4 address with its prefix length, as 10.0.0.12/24"


def _ip(value: Any) -> Found:
    try:
        if not isinstance(value, str):
            raise ValueError
        ipaddress.IPv4Address(value)
    except ValueError:
        yield "", value, "an IPv4 address"


def _gateway(value: Any) -> Found:
    if value is not None:
        yield from _ip(value)


def _network(value: Any) -> Found:
    found = list(
        _mapping(
            {
                "mac": _text(_MAC, "the MAC address of the port, as 02:00:00:00:00:01"),
                "address": _interface,
                "gateway": _gateway,
                "nameservers": _list(_ip, 3),
            },
            ("gateway", "nameservers"),
        )(value)
    )
    yield from found
    if not found and value.get("gateway"):
        network = ipaddress.IPv4Interface(value["address"]).network
        if ipaddress.IPv4Address(value["gateway"]) not in network:
            yield ".gateway", value["gateway"], f"an address in {network}"


def _secret(value: Any) -> Found:
    """The value itself is never part of a problem."""
    if value is not None and not (isinstance(value, str) and 12 <= len(value) <= 512 and _LINE.match(value)):
        yield "", "(secret, not shown)", "12 to 512 printable characters of ASCII"


def _password(value: Any) -> Found:
    if value is not None and not (isinstance(value, str) and _CRYPT.match(value)):
        yield "", "(secret, not shown)", "a hash as openssl passwd -6 makes it ($6$...), never a password in clear"


_disk = _text(IDENTITY, "a disk's serial number or WWN, never a name such as /dev/sda")
_filesystem = _one_of("xfs", "ext4")
_CHECKS: dict[str, Callable[[Any], Found]] = {
    "distribution": _mapping({"id": _text(_WORD, "the ID of os-release"), "version": _text(_WORD, "its VERSION_ID")}),
    "installer": _text(re.compile(r"^[\x20-\x7e]+$"), "the path of the vendor's installation image on the controller"),
    "repository": _text(_URL, "http://<address>/<folder>, where the unpacked image's packages are served"),
    "system_disks": _list(_disk, 2, 1),
    "raid1": _one_of(None, True, False),
    "volume_group": _text(_NAME, "a name of small letters, digits, _ and -"),
    "volumes": _list(
        _mapping(
            {
                "name": _text(_NAME, "a name of small letters, digits, _ and -"),
                "mount": _mount,
                "size_gib": _size,
                "filesystem": _filesystem,
            }
        ),
        16,
        1,
    ),
    "data_disks": _list(
        _mapping(
            {"disk": _disk, "mount": _data_mount, "filesystem": _filesystem, "luks": _one_of(True, False)},
            ("luks",),
        ),
        64,
    ),
    "luks": _mapping({"key": _secret}),
    "hostname": _text(_HOST, "a host name of small letters, digits, - and dots"),
    "network": _network,
    "user": _text(_NAME, "a name of small letters, digits, _ and -"),
    "password_hash": _password,
    "ssh_keys": _list(_text(_KEY, "a line of an authorized_keys file without options"), 32),
    "packages": _list(_text(_WORD, "the name of a package or @group"), 512),
    "environment": _text(_WORD, "an environment of the distribution's package groups"),
    "language": _text(_WORD, "a locale as en_US.UTF-8"),
    "timezone": _text(re.compile(r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"), "a time zone as Asia/Shanghai"),
    "selinux": _one_of("enforcing", "permissive", "disabled"),
    "kernel_arguments": _text(re.compile(r'^[^"\\\x00-\x1f\x7f-\U0010ffff]*$'), "words for the kernel, without quotes"),
}
