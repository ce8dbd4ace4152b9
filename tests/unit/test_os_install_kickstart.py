"""Wishes, disks and the kickstart that is made of them, read back by pykickstart in the versions that it must serve."""

from __future__ import annotations

import fnmatch
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from npuforge.install import disks, kickstart, model
from os_install_helpers import HASH, KEY, LUKS, MAC, NODE, parts, text_of, wishes
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

from lab.install.kickstart import links

# openEuler 20.03 and Kylin V10 (anaconda 29 to 31), openEuler 22.03 and 24.03 (33 to 36), and RHEL's names of the same.
SYNTAXES = ("F29", "F31", "F34", "F36", "RHEL8", "RHEL9")


def parsed(text: str, syntax: str = "F36") -> Any:
    handler: Any = makeVersion(syntax)  # type: ignore[no-untyped-call]  # pykickstart has no types
    KickstartParser(handler).readKickstartFromString(text)  # type: ignore[no-untyped-call]
    return handler


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_installer_reads_it(syntax: str) -> None:
    read = parsed(text_of(wishes(kernel_arguments="console=ttyAMA0,115200")), syntax)
    assert read.url.url == "http://10.77.0.1/openEuler-24.03/"
    (network,) = read.network.network
    assert (network.device, network.ip, network.netmask, network.gateway) == (
        MAC,
        "10.77.0.12",
        "255.255.255.0",
        "10.77.0.1",
    )
    assert network.hostname == "node2"
    (user,) = read.user.userList
    assert (user.name, user.password, user.isCrypted, user.groups) == ("deploy", HASH, True, ["wheel"])
    assert read.rootpw.lock
    assert [item.key for item in read.sshkey.sshUserList] == [KEY]
    data = next(part for part in read.partition.partitions if part.mountpoint == "/data0")
    assert (data.encrypted, data.luks_version, data.passphrase) == (True, "luks2", LUKS)
    assert read.bootloader.appendLine == "console=ttyAMA0,115200"
    mirrors = {raid.mountpoint: (str(raid.level), raid.members) for raid in read.raid.raidList}
    assert mirrors["/boot/efi"] == ("RAID1", ["raid.11", "raid.12"])
    assert set(mirrors) == {"/boot/efi", "/boot", "pv.system"}


def test_only_named_disks_are_touched_and_each_by_what_is_written_on_it() -> None:
    drives = {drive["slot"]: drive for drive in NODE["drives"]}
    names = [drives["Disk0"]["wwn"], drives["Disk1"]["serial"].lower()]
    data = [{"disk": f"0x{drives['Disk3']['wwn']}", "mount": "/d", "filesystem": "ext4"}]
    read = parsed(text_of(wishes(system_disks=names, data_disks=data, luks={"key": None})))
    assert sorted(read.ignoredisk.onlyuse) == sorted(read.clearpart.drives)
    meant = {
        spec: [slot for slot, drive in drives.items() if any(fnmatch.fnmatchcase(link, spec) for link in links(drive))]
        for spec in read.ignoredisk.onlyuse
    }
    assert sorted(meant.values()) == [["Disk0"], ["Disk1"], ["Disk3"]]
    assert {part.disk for part in read.partition.partitions} == set(meant)
    assert not [spec for spec in meant if "/sd" in spec or spec.startswith(("sd", "nvme"))]


def test_one_disk_needs_no_mirror_and_a_locked_password_no_hash() -> None:
    read = parsed(text_of(wishes(system_disks=["DRV00210P00"], password_hash=None)))
    assert read.raid.raidList == []
    assert {part.mountpoint for part in read.partition.partitions} == {"/boot/efi", "/boot", "pv.system", "/data0"}
    (user,) = read.user.userList
    assert user.lock
    assert not user.password


def test_no_secret_is_shown_where_it_is_not_needed() -> None:
    text = text_of(wishes())
    assert text.count(HASH) == 1
    lines = [line for line in text.splitlines() if shlex.quote(LUKS) in line]
    assert len(lines) == 2  # for the installer, and for the system to open its disks by itself
    assert "key" not in text_of(wishes(data_disks=[], luks={"key": None})).lower().replace("sshkey", "").replace(
        "keyboard", ""
    ).replace(KEY.lower(), "")


def scripts(text: str) -> dict[int, str]:
    return {script.type: script.script for script in parsed(text).scripts}


def run_pre(tmp_path: Path, text: str, sizes: dict[str, int]) -> subprocess.CompletedProcess[str]:
    """The %pre script on make-believe links and sizes."""
    by_id = tmp_path / "dev" / "disk" / "by-id"
    by_id.mkdir(parents=True)
    for drive in NODE["drives"]:
        disk = tmp_path / "dev" / drive["slot"]
        disk.touch()
        for link in links(drive):
            (tmp_path / "dev" / link).symlink_to(disk)
            (tmp_path / "dev" / f"{link}-part1").symlink_to(tmp_path / "dev" / "part")
    script = scripts(text)[0].replace("/dev/$1", f"{tmp_path}/dev/$1").replace(">/dev/console", ">&2")
    known = " ".join(f"{slot}) echo {size};;" for slot, size in sizes.items())
    head = f'blockdev() {{ case "$(basename "$2")" in {known} esac; }}\n'
    return subprocess.run(["bash", "-c", head + script], capture_output=True, text=True, check=False)


def test_before_anything_is_erased_each_disk_is_looked_for(tmp_path: Path) -> None:
    sizes = {drive["slot"]: drive["capacity_bytes"] for drive in NODE["drives"]}
    good = run_pre(tmp_path / "good", text_of(wishes()), sizes)
    assert (good.returncode, good.stderr) == (0, "")
    other = run_pre(tmp_path / "other", text_of(wishes()), {**sizes, "Disk1": 960 * 10**9})
    assert other.returncode == 1
    assert "Disk1, serial DRV00210P01" in other.stderr
    chosen, _ = disks.choose(wishes(), parts())
    stranger = chosen.system[0]._replace(named="DRV00210P0", serial="DRV00210P0")
    text = kickstart.render(wishes(), disks.Chosen([stranger, chosen.system[1]], chosen.data), "w")
    missing = run_pre(tmp_path / "missing", text, sizes)
    assert missing.returncode == 1
    assert "there is not exactly one such disk: none" in missing.stderr


def test_after_the_installation_the_system_opens_its_disks_by_itself(tmp_path: Path) -> None:
    (tmp_path / "etc" / "tmpfiles.d").mkdir(parents=True)
    (tmp_path / "etc" / "crypttab").write_text(
        "# names\nluks-1 UUID=1 none discard\nluks-2 UUID=2\nown UUID=3 /my/key\n"
    )
    script = scripts(text_of(wishes()))[1].replace("/etc/", f"{tmp_path}/etc/")
    subprocess.run(["bash", "-c", script], check=True)
    key = tmp_path / "etc" / "cryptsetup-keys.d" / "npuforge.key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == (LUKS, 0o600)
    table = [line.split() for line in (tmp_path / "etc" / "crypttab").read_text().splitlines()]
    assert table[1:] == [
        ["luks-1", "UUID=1", str(key), "discard"], ["luks-2", "UUID=2", str(key)], ["own", "UUID=3", "/my/key"],
    ]  # fmt: skip
    assert '"install": "the-word"' in (tmp_path / "etc" / "npuforge" / "install.json").read_text()


LINE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=12, max_size=60)


@given(key=LINE, comment=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30))
def test_whatever_key_and_comment_are_they_arrive(key: str, comment: str) -> None:
    line = f"ssh-ed25519 {'A' * 48} {comment}"
    read = parsed(text_of(wishes(luks={"key": key}, ssh_keys=[line])))
    data = next(part for part in read.partition.partitions if part.mountpoint == "/data0")
    assert data.passphrase == key
    assert read.sshkey.sshUserList[0].key == line.strip()


# Wishes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "key", "expected"),
    [
        ({"system_disks": []}, "system_disks", "a list of 1 to 2"),
        ({"system_disks": ["/dev/sda"]}, "system_disks[0]", "never a name such as /dev/sda"),
        ({"system_disks": ["DRV00210P00", "drv00210p00"]}, "system_disks[1]", "another disk than system_disks[0]"),
        ({"system_disks": ["DRV00210P02"]}, "data_disks[0].disk", "another disk than system_disks[0]"),
        ({"raid1": True, "system_disks": ["DRV00210P00"]}, "raid1", "two system_disks for a pair, not 1"),
        ({"raid1": False}, "raid1", "one of system_disks"),
        ({"luks": {"key": None}}, "luks.key", "a key, as data_disks[0].luks is true"),
        ({"luks": {"key": "short"}}, "luks.key", "12 to 512 printable characters"),
        ({"luks": None}, "luks", "a mapping with key"),
        ({"password_hash": "in clear"}, "password_hash", "never a password in clear"),
        ({"ssh_keys": []}, "ssh_keys", "at least one public key"),
        ({"ssh_keys": ['command="x" ssh-ed25519 AAAA']}, "ssh_keys[0]", "without options"),
        ({"network": {"mac": "aa", "address": "10.0.0.0/24"}}, "network.mac", "the MAC address"),
        ({"network": {"mac": MAC, "address": "10.0.0.0/24"}}, "network.address", "10.0.0.12/24"),
        ({"network": {"mac": MAC, "address": "10.0.0.5/24", "gateway": "10.1.0.1"}}, "network.gateway", "in 10.0.0"),
        ({"hostname": "Node 2"}, "hostname", "a host name"),
        ({"volumes": [{"name": "v", "mount": "/var", "size_gib": 1, "filesystem": "xfs"}]}, "volumes", "mounted at /"),
        ({"volumes": [{"name": "r", "mount": "/boot", "size_gib": 1, "filesystem": "xfs"}]}, "volumes[0].mount", "k"),
        ({"volumes": [{"name": "r", "mount": "/", "size_gib": True, "filesystem": "xfs"}]}, "volumes[0].size_gib", "G"),
        ({"repository": "ftp://x/"}, "repository", "http://"),
        ({"disks": []}, "disks", "one of the keys"),
        ({"kernel_arguments": 'a"b'}, "kernel_arguments", "without quotes"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(changes: dict[str, Any], key: str, expected: str) -> None:
    found = {where: text for where, _, text in model.problems(wishes(**changes))}
    assert expected in found[key]
    assert LUKS not in str(found)


def test_a_host_without_a_mistake_has_none_and_many_are_told_at_once() -> None:
    assert model.problems(wishes()) == []
    bad = wishes(password_hash="clear", system_disks=["/dev/sda"], hostname=5, packages="x", user="Root")
    assert [key for key, _, _ in model.problems(bad)] == [
        "system_disks[0]", "hostname", "user", "password_hash", "packages",
    ]  # fmt: skip
    assert all(value != "clear" for _, value, _ in model.problems(bad))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(model.DEFAULTS)), VALUES, min_size=1, max_size=4))
def test_any_value_gives_mistakes_or_a_kickstart_that_is_read(changes: dict[str, Any]) -> None:
    wanted = wishes(**changes)
    found = model.problems(wanted)
    if not found:
        chosen, problems = disks.choose(wanted, parts())
        if not problems:
            parsed(kickstart.render(wanted, chosen, "w"))


# Disks ---------------------------------------------------------------------------------------------------------------


def test_a_disk_has_one_identity_whichever_name_is_used() -> None:
    wwn = NODE["drives"][0]["wwn"]
    _, problems = disks.choose(wishes(system_disks=["DRV00210P00", f"naa.{wwn.upper()}"]), parts())
    assert problems == [
        ("system_disks[1]", f"naa.{wwn.upper()}",
         "another disk than system_disks[0]: both are Disk0, serial DRV00210P00, HWE62ST3480L003N, 480.1 GB"),
    ]  # fmt: skip


def test_a_disk_that_is_not_there_is_told_with_those_that_are() -> None:
    seen = parts()
    seen[1]["state"] = "absent"
    _, problems = disks.choose(wishes(), seen)
    ((key, value, expected),) = problems
    assert (key, value) == ("system_disks[1]", "DRV00210P01")
    assert "Disk0, serial DRV00210P00" in expected
    twice = [*parts(), {**parts()[0], "slot": "Disk9"}]
    assert "one disk, not 2" in disks.choose(wishes(), twice)[1][0][2]


@given(VALUES)
def test_any_parts_are_read(seen: Any) -> None:
    chosen, problems = disks.choose(wishes(), seen)
    assert len(chosen.all()) + len(problems) == 3
