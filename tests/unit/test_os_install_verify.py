"""What a machine shows over SSH: data in use before, and after the first boot whether it is what was asked for."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from npuforge.install import disks, verify
from os_install_helpers import parts, wishes

BOUNDARY = "npuforge-install-boundary"


def block(name: str, kind: str, *children: Any, mount: str | None = None, serial: str | None = None) -> Any:
    found = {"name": f"/dev/{name}", "type": kind, "serial": serial, "wwn": None, "size": 1, "mountpoint": mount}
    return {**found, "children": list(children)} if children else found


def system(name: str, serial: str) -> Any:
    """Half of a mirror with volumes on it, as lsblk shows it: what lies on both halves comes twice."""
    volumes = [block("mapper/system-root", "lvm", mount="/"), block("mapper/system-var", "lvm", mount="/var")]
    return block(
        name, "disk", block(f"{name}1", "part", block("md125", "raid1", mount="/boot/efi")),
        block(f"{name}2", "part", block("md126", "raid1", mount="/boot")),
        block(f"{name}3", "part", block("md127", "raid1", *volumes)), serial=serial,
    )  # fmt: skip


TREE = {
    "blockdevices": [
        system("sda", "DRV00210P00"),
        system("sdb", "DRV00210P01"),
        block("nvme0n1", "disk", block("nvme0n1p1", "part", block("mapper/luks-1", "crypt", mount="/data0")),
              serial="DRV00210P02         "),
        block("nvme1n1", "disk", serial="DRV00210P03"),
        block("loop0", "loop", mount="/snap/x"),
    ]
}  # fmt: skip
MOUNTS = """\
/dev/mapper/system-root / xfs rw 0 0
/dev/md126 /boot ext4 rw 0 0
/dev/md125 /boot/efi vfat rw 0 0
/dev/mapper/system-var /var xfs rw 0 0
/dev/mapper/luks-1 /data0 xfs rw 0 0
/dev/vda /srv/other ext4 rw 0 0
nfs:/home /home nfs rw 0 0
"""
MDSTAT = """\
Personalities : [raid1]
md126 : active raid1 sda2[0] sdb2[1]
      1047552 blocks super 1.2 [2/2] [UU]

md127 : active raid1 sdb3[1] sda3[0]
      467000000 blocks super 1.2 [2/2] [UU]
      [=>...................]  resync =  6.9% (32331776/467000000) finish=36.1min speed=200406K/sec

unused devices: <none>
"""


def seen(**changes: str | None) -> dict[str, str | None]:
    good = {
        "marker": '{"schema": "npuforge.install/1", "install": "the-word", "host": "node2"}',
        "os_release": 'NAME="openEuler"\nVERSION="24.03 (LTS)"\nID="openEuler"\nVERSION_ID="24.03"\n',
        "hostname": "node2\n",
        "lsblk": json.dumps(TREE),
        "mounts": MOUNTS,
        "mdstat": MDSTAT,
        "addresses": json.dumps([{"ifname": "eth0", "addr_info": [{"local": "10.77.0.12", "prefixlen": 24}]}]),
    }
    return {**good, **changes}


def judged(**changes: str | None) -> Any:
    chosen, _ = disks.choose(wishes(), parts())
    return verify.judge(wishes(), chosen, "the-word", seen(**changes))


def test_a_good_installation_has_nothing_to_say() -> None:
    result = judged()
    assert (result["problems"], result["notes"], result["distribution"]) == ([], [], "openEuler 24.03")
    assert {item["mount"]: item["disks"] for item in result["layout"]} == {
        "/boot": ["Disk0", "Disk1"], "/": ["Disk0", "Disk1"], "/var": ["Disk0", "Disk1"], "/data0": ["Disk2"],
    }  # fmt: skip


def test_each_deviation_is_named() -> None:
    assert judged(marker=None)["problems"] == ["the system that answers was not made by this installation"]
    assert judged(marker='{"install": "other"}')["problems"]
    assert judged(os_release='ID="kylin"\nVERSION_ID="V10"\n')["problems"] == [
        "the system is kylin V10 instead of openEuler 24.03"
    ]
    assert judged(hostname="localhost\n")["problems"] == ["the host name is 'localhost' instead of 'node2'"]
    assert judged(addresses="[]")["problems"] == ["it has not the address 10.77.0.12 (it has none)"]
    degraded = judged(mdstat=MDSTAT.replace("[2/2] [UU]\n\n", "[2/1] [U_]\n\n"))
    assert degraded["problems"] == ["mirror md126 is not whole: [U_]"]


def test_a_system_on_other_disks_is_told_with_their_serial_numbers() -> None:
    swapped = json.dumps(TREE).replace("DRV00210P03", "x").replace("DRV00210P01", "DRV00210P03")
    result = judged(lsblk=swapped.replace('"x"', '"DRV00210P01"'))
    assert "/ lies on /dev/sdb, Disk0 instead of Disk0, serial DRV00210P00" in result["problems"][1]


def test_what_cannot_be_seen_is_a_note_and_no_verdict() -> None:
    result = judged(lsblk=None, mdstat=None, addresses="not json", hostname=None)
    assert result["problems"] == []
    assert result["layout"] is None
    assert len(result["notes"]) == 3
    blind = json.loads(json.dumps(TREE).replace("DRV00210P0", ""))
    assert "the system does not tell which of its disks is Disk0" in str(judged(lsblk=json.dumps(blind))["notes"])
    assert judged(mdstat="unused devices: <none>")["notes"] == ["no mirror can be seen (/proc/mdstat)"]


def test_data_in_use_is_found_on_disks_and_nowhere_else() -> None:
    assert verify.mounted_data(seen()) == ["/data0 is mounted from /dev/mapper/luks-1 (disk DRV00210P02)"]
    rest = MOUNTS.replace("/dev/mapper/luks-1 /data0 xfs rw 0 0\n", "")
    assert verify.mounted_data(seen(mounts=rest)) == []
    assert verify.mounted_data(seen(lsblk=None)) is None
    assert verify.mounted_data(seen(mounts=None)) is None
    hidden = verify.mounted_data(seen(mounts=rest + "/dev/mapper/system-var /var/lib/containerd xfs rw 0 0\n"))
    assert hidden == ["/var/lib/containerd is mounted from /dev/mapper/system-var (disk DRV00210P00, DRV00210P01)"]


def test_the_script_runs_and_is_taken_apart() -> None:
    done = subprocess.run(["sh", "-s"], input=verify.script(), capture_output=True, text=True, check=False)
    found = verify.parts(done.stdout)
    assert found["marker"] is None
    assert found["mounts"]
    assert "ID=" in str(found["os_release"])
    assert set(found) == set(verify.COMMANDS)


@given(st.text(max_size=200), st.integers(0, 2000), st.integers(0, 2000))
def test_damaged_outputs_never_become_a_good_system(noise: str, cut: int, start: int) -> None:
    text = "".join(
        f"\n{BOUNDARY} {name}\n{value}\n{BOUNDARY} 0\n" for name, value in seen(marker=None).items() if value
    )
    broken = verify.parts(text[:start] + noise + text[start + cut :])
    chosen, _ = disks.choose(wishes(), parts())
    result = verify.judge(wishes(), chosen, "the-word", broken)
    assert "the system that answers was not made by this installation" in result["problems"]
    verify.mounted_data(broken)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["blockdevices", "name", "type", "serial", "mountpoint", "children", "addr_info", "install"]),
        inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(JSON)
def test_any_json_is_read(document: Any) -> None:
    text = json.dumps(document)
    judged(lsblk=text, addresses=text, marker=text)
    deep = json.dumps({"blockdevices": document})
    verify.mounted_data(seen(lsblk=deep))
