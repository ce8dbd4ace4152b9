"""The kickstart of one host, as text. Pure: the same data give the same text.

Commands as pykickstart's documentation has them for Fedora 29 to RHEL 9, which openEuler's and Kylin's installers
descend from; nothing that one of them lacks (``timesource``) or has dropped (``install``, ``auth``) is used. Disks are
named by udev links (``disks.Disk.device``) and ``ignoredisk --only-use`` keeps the installer away from all others.

Secrets: login passwords only as hashes; the LUKS key in clear, as there is no other way to give it to the installer,
so whoever holds the text holds the key.
"""

from __future__ import annotations

import ipaddress
import json
import shlex

from ..common import Document
from . import model
from .disks import Chosen, Disk

MARKER = "/etc/npuforge/install.json"
KEY_FILE = "/etc/cryptsetup-keys.d/npuforge.key"
SIZE_TOLERANCE_PERCENT = 5  # a BMC rounds a disk's size
_ENTRY = "^([^#[:space:]]+[[:space:]]+[^[:space:]]+)"  # name and device of an entry in crypttab(5)
_LEFTOVERS = ("/root/anaconda-ks.cfg", "/root/original-ks.cfg")


def render(wanted: Document, disks: Chosen, install: str) -> str:
    """The text.

    :param wanted: merged ``os_install`` without problems (``model.problems``)
    :param disks: what ``disks.choose`` found for it
    :param install: a secret word for this one installation; who can show it afterwards was installed by it
    """
    lines = [
        "# Made by npuforge for one host and one installation. It erases:",
        *(f"#   {disk.told()}" for disk in disks.all()),
        "cmdline",
        f"url --url={shlex.quote(wanted['repository'])}",
        f"lang {wanted['language']}",
        "keyboard --xlayouts=us",
        f"timezone {wanted['timezone']} --utc",
        *_accounts(wanted),
        *_network(wanted),
        f"selinux --{wanted['selinux']}",
        "firewall --enabled --ssh",
        "services --enabled=sshd,chronyd",
        "firstboot --disable",
        "skipx",
        "reboot --eject",
        "",
        *_storage(wanted, disks),
        "",
        "%packages",
        f"@^{wanted['environment']}",
        *wanted["packages"],
        "%end",
        "",
        *_pre(disks),
        "",
        *_post(wanted, install),
    ]
    return "\n".join(lines) + "\n"


def _accounts(wanted: Document) -> list[str]:
    """Root cannot log in; the one user is an administrator (wheel) with keys, and a password only as a hash."""
    password = wanted["password_hash"]
    secret = f"--iscrypted --password={shlex.quote(password)}" if password else "--lock"
    lines = ["rootpw --lock", f"user --name={wanted['user']} --groups=wheel {secret}"]
    return lines + [f'sshkey --username={wanted["user"]} "{_quoted(key)}"' for key in wanted["ssh_keys"]]


def _quoted(text: str) -> str:
    return text.strip().replace("\\", "\\\\").replace('"', '\\"')


def _network(wanted: Document) -> list[str]:
    network = wanted["network"]
    address = ipaddress.IPv4Interface(network["address"])
    words = [
        f"network --bootproto=static --device={network['mac'].lower()}",
        f"--ip={address.ip} --netmask={address.netmask}",
    ]
    if network.get("gateway"):
        words.append(f"--gateway={network['gateway']}")
    if network.get("nameservers"):
        words.append(f"--nameserver={','.join(network['nameservers'])}")
    else:
        words.append("--nodns")
    words.append(f"--noipv6 --onboot=yes --activate --hostname={wanted['hostname']}")
    return [" ".join(words)]


def boot_network(wanted: Document) -> str:
    """The same network as a word for the installer's kernel (dracut.cmdline(7)), which reads its second stage by it."""
    network = wanted["network"]
    address = ipaddress.IPv4Interface(network["address"])
    gateway = network.get("gateway") or ""
    return (
        f"ifname=install0:{network['mac'].lower()} "
        f"ip={address.ip}::{gateway}:{address.netmask}:{wanted['hostname']}:install0:none"
    )


def _storage(wanted: Document, disks: Chosen) -> list[str]:
    everything = ",".join(disk.device for disk in disks.all())
    arguments = wanted["kernel_arguments"].strip()
    lines = [
        f"ignoredisk --only-use={everything}",
        "zerombr",
        f"clearpart --all --initlabel --disklabel=gpt --drives={everything}",
        f"bootloader --location=mbr --boot-drive={disks.system[0].device}"
        + (f' --append="{arguments}"' if arguments else ""),
    ]
    lines += _pair(disks.system) if len(disks.system) == 2 else _single(disks.system[0])
    group = wanted["volume_group"]
    lines.append(f"volgroup {group} pv.system")
    for volume in wanted["volumes"]:
        lines.append(
            f"logvol {volume['mount']} --vgname={group} --name={volume['name']} "
            f"--size={volume['size_gib'] * 1024} --fstype={volume['filesystem']}"
        )
    for disk, data in zip(disks.data, wanted["data_disks"]):
        line = f"part {data['mount']} --fstype={data['filesystem']} --size=1 --grow --ondisk={disk.device}"
        if data.get("luks"):
            line += f" --encrypted --luks-version=luks2 --passphrase={shlex.quote(wanted['luks']['key'])}"
        lines.append(line)
    return lines


def _single(disk: Disk) -> list[str]:
    return [
        f"part /boot/efi --fstype=efi --size={model.EFI_MIB} --ondisk={disk.device}",
        f"part /boot --fstype=ext4 --size={model.BOOT_MIB} --ondisk={disk.device}",
        f"part pv.system --size=1 --grow --ondisk={disk.device}",
    ]


def _pair(pair: list[Disk]) -> list[str]:
    """Everything twice, the EFI system partition too: either disk alone must boot."""
    lines = []
    for number, disk in enumerate(pair, 1):
        lines += [
            f"part raid.1{number} --size={model.EFI_MIB} --ondisk={disk.device}",
            f"part raid.2{number} --size={model.BOOT_MIB} --ondisk={disk.device}",
            f"part raid.3{number} --size=1 --grow --ondisk={disk.device}",
        ]
    return [
        *lines,
        "raid /boot/efi --device=boot_efi --level=RAID1 --fstype=efi raid.11 raid.12",
        "raid /boot --device=boot --level=RAID1 --fstype=ext4 raid.21 raid.22",
        "raid pv.system --device=system --level=RAID1 raid.31 raid.32",
    ]


def _pre(disks: Chosen) -> list[str]:
    """Stops the installer before anything is erased when a disk is not there exactly once, or not as large as told."""
    low, high = 100 - SIZE_TOLERANCE_PERCENT, 100 + SIZE_TOLERANCE_PERCENT
    lines = [
        "%pre --interpreter=/bin/bash --erroronfail",
        "wrong=0",
        "disk() {",
        '  found=$(for link in /dev/$1; do [ -e "$link" ] && readlink -f "$link"; done | sort -u)',
        '  if [ "$(printf "%s" "$found" | grep -c .)" != 1 ]; then',
        '    echo "npuforge: $3: there is not exactly one such disk: ${found:-none}" >/dev/console; wrong=1; return',
        "  fi",
        '  [ "$2" = 0 ] && return',
        '  size=$(blockdev --getsize64 "$found")',
        f"  if (( size * 100 < $2 * {low} || size * 100 > $2 * {high} )); then",
        '    echo "npuforge: $3: $found has $size bytes instead of $2" >/dev/console; wrong=1',
        "  fi",
        "}",
    ]
    for disk in disks.all():
        told = shlex.quote(f"{disk.slot}, serial {disk.serial or 'unknown'}")
        lines.append(f"disk {shlex.quote(disk.device)} {disk.capacity_bytes or 0} {told}")
    return [*lines, "exit $wrong", "%end"]


def _post(wanted: Document, install: str) -> list[str]:
    marker = json.dumps({"schema": "npuforge.install/1", "install": install, "host": wanted["hostname"]})
    lines = [
        "%post --interpreter=/bin/bash --erroronfail",
        "set -e",
        f"mkdir -p {MARKER.rsplit('/', 1)[0]}",
        f"printf '%s\\n' {shlex.quote(marker)} >{MARKER}",
        f"chmod 0644 {MARKER}",
    ]
    if any(data.get("luks") for data in wanted["data_disks"]):
        # Nobody types a key when a server starts: it opens its data disks with a key on its own system disks.
        lines += [
            f"install -d -m 0700 {KEY_FILE.rsplit('/', 1)[0]}",
            f"(umask 077; printf '%s' {shlex.quote(wanted['luks']['key'])} >{KEY_FILE})",
            "if [ -f /etc/crypttab ]; then",
            f"  sed -i -E -e 's,{_ENTRY}[[:space:]]*$,\\1 {KEY_FILE},' \\",
            f"    -e 's,{_ENTRY}[[:space:]]+(none|-)([[:space:]]|$),\\1 {KEY_FILE}\\3,' /etc/crypttab",
            "fi",
        ]
    # The installer keeps copies of what it was given, secrets and all; it may write them after this.
    lines += [
        "cat >/etc/tmpfiles.d/npuforge-install.conf <<'END'",
        *(f"r! {path}" for path in _LEFTOVERS),
        "END",
        "%end",
    ]
    return lines
