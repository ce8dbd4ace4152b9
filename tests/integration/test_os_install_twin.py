"""An operating system is installed on a node of the running twin through its BMC, and what must not be done is not.

Afterwards the node is made anew, as it was found.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.os_install import plan
from lab import credentials
from lab.install import installer
from lab.world import World
from tests.integration.conftest import Twin

NODE = "node2"
PLAYBOOK = "playbooks/os_install.yml"
LUKS = "twin-only luks key, made up"


@dataclass
class Site:
    """The twin, an inventory with the wishes beside the twin's, and the node's truth before."""

    twin: Twin
    inventory: Path
    wishes: dict[str, Any]
    before: dict[str, Any]

    @property
    def world(self) -> World:
        return World(self.twin.state / "world")

    @property
    def container(self) -> str:
        return f"npuforge-{self.world.site()['name']}-{NODE}"

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        inventory = {"all": {"vars": self.wishes["all"], "hosts": {NODE: self.wishes[NODE]}}}
        self.inventory.write_text(json.dumps(inventory), encoding="utf-8")
        self.inventory.chmod(0o600)
        return self.twin.playbook("-i", "inventory/twin", "-i", str(self.inventory), PLAYBOOK, *more)

    def inside(self, command: str) -> str:
        done = subprocess.run(["podman", "exec", self.container, "sh", "-c", command], capture_output=True, check=False)
        return done.stdout.decode()

    def identity(self) -> str:
        words = ["podman", "container", "inspect", "--format", "{{.Id}}", self.container]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def wishes_of(twin: Twin, node: dict[str, Any], folder: Path) -> dict[str, Any]:
    """For everybody, and for the node; as the world has the machine, so that any twin will do."""
    image = folder / "installer.iso"
    installer.write(image)
    known = folder / "known_hosts"
    known.write_text(f"{node['address']} ssh-ed25519 AAAAold\n", encoding="ascii")
    everybody = {
        "os_install_known_hosts": str(known),
        "os_install_seconds": 60,
        "site_os_install": {
            "installer": str(image),
            "repository": f"http://{node['address'].rpartition('.')[0]}.1/openEuler-24.03/",
            "ssh_keys": [(twin.state / "ssh" / "id_ed25519.pub").read_text(encoding="utf-8").strip()],
            "password_hash": credentials.password_hash(twin.secrets()["become_password"]),
        },
    }
    own = {
        "system_disks": [node["drives"][0]["serial"], node["drives"][1]["wwn"]],
        "raid1": True,
        "data_disks": [{"disk": node["drives"][2]["serial"], "mount": "/data0", "filesystem": "xfs", "luks": True}],
        "luks": {"key": LUKS},
        "network": {"mac": node["nics"][0]["ports"][0]["mac"]},
    }
    return {"all": everybody, NODE: {"os_install": own}}


@pytest.fixture
def site(twin: Twin, tmp_path: Path) -> Iterator[Site]:
    world = World(twin.state / "world")
    before = world.read(NODE)
    found = Site(twin, tmp_path / "wishes.yml", wishes_of(twin, before, tmp_path), before)
    identity = found.identity()
    yield found
    if found.identity() != identity:
        subprocess.run(["podman", "rm", "--force", "--time", "0", found.container], capture_output=True, check=True)
    with world.update(NODE) as node:
        for key in ("install", "boot", "virtual_media"):
            node.pop(key, None)
            if key in before:
                node[key] = before[key]
        for drive in node["drives"]:
            drive.pop("installed", None)
    twin.lab("up")


def left_alone(site: Site) -> None:
    """Nothing of an installation is left at the BMC or on this machine."""
    node = site.world.read(NODE)
    assert node["virtual_media"]["inserted"] is False
    assert node["boot"]["enabled"] == "Disabled"
    assert not plan.folder_of(site.world.site()["name"], NODE).exists()


def test_a_node_is_installed_only_when_it_may_be_and_then_comes_up_as_asked(site: Site) -> None:
    identity = site.identity()

    unnamed = site.run()
    assert unnamed.returncode != 0
    assert "os_install_hosts takes names of servers of this site" in unnamed.stdout

    site.inside("mkdir -p /data9 && mount -t tmpfs /dev/nvme3n1 /data9")
    used = site.run("-e", f"os_install_hosts={NODE}")
    assert used.returncode != 0
    serial = site.before["drives"][5]["serial"]
    assert f"/data9 is mounted from /dev/nvme3n1 (disk {serial})" in used.stdout

    checked = site.run("-e", f"os_install_hosts={NODE}", "-e", f"os_install_erase={NODE}", "--check")
    assert checked.returncode == 0, checked.stdout
    for drive in site.before["drives"]:
        assert drive["serial"] in checked.stdout
    told = json.loads(checked.stdout[checked.stdout.index("{\n") : checked.stdout.index("\n    }\n") + 7])["msg"]
    assert [line.split(",")[0] for line in told["erase"]] == ["Disk0", "Disk1", "Disk2"]
    assert [line.split(",")[0] for line in told["untouched"]] == ["Disk3", "Disk4", "Disk5"]
    assert site.identity() == identity
    assert site.world.read(NODE)["log"] == site.before["log"]
    left_alone(site)

    # The installer stops (its network is another one): that is told, and everything is put back.
    network = site.wishes[NODE]["os_install"]["network"]
    site.wishes[NODE]["os_install"]["network"] = {**network, "address": "10.1.1.9/24"}
    stopped = site.run("-e", f"os_install_hosts={NODE}", "-e", f"os_install_erase={NODE}")
    assert stopped.returncode != 0
    assert "Installer stopped: the twin's network gives this node" in stopped.stdout
    left_alone(site)

    site.wishes[NODE]["os_install"]["network"] = network
    # The machine stands still; the next run installs it, over whatever was on its disks.
    done = site.run("-e", f"os_install_hosts={NODE}", "-e", f"os_install_erase={NODE}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"System {NODE} is up." in done.stdout
    left_alone(site)
    assert site.identity() != identity
    assert site.inside("cat /etc/hostname").strip() == NODE
    assert json.loads(site.inside("cat /etc/npuforge/install.json"))["host"] == NODE
    assert site.inside("cat /etc/cryptsetup-keys.d/npuforge.key") == LUKS
    assert site.inside("ls /usr/local/Ascend 2>/dev/null; ls -d /data9 2>/dev/null") == ""
    drives = {drive["slot"]: drive.get("installed") for drive in site.world.read(NODE)["drives"]}
    assert {slot for slot, used_for in drives.items() if used_for} == {"Disk0", "Disk1", "Disk2"}
    assert (drives["Disk0"] or {})["raid"] is True
    assert (drives["Disk2"] or {})["encrypted"] is True
    known = (site.inventory.parent / "known_hosts").read_text(encoding="ascii")
    assert "AAAAold" not in known
    assert known.startswith(f"{site.before['address']} ssh-ed25519 ")
    for text in (unnamed, used, checked, stopped, done):
        assert LUKS not in text.stdout + text.stderr
        assert "$6$" not in text.stdout + text.stderr
