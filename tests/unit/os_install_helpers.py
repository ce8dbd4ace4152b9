"""For the tests of unattended installation: the disks of a machine, wishes that are right, and what is made of them."""

from __future__ import annotations

import copy
from typing import Any

from npuforge.install import disks, kickstart, model

from lab import hardware

Document = dict[str, Any]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKQmRcyrQ4fTn1mN8FJ5r0b1gD2oS5oK9xY0z3 keeper's own"
HASH = "$6$saltsaltsalt$" + "h" * 86
LUKS = 'it\'s a "secret" $word, 100 % \\ so'
NODE: Document = hardware.build_node(hardware.Plan(), 2)
MAC: str = NODE["nics"][0]["ports"][0]["mac"]


def parts(node: Document | None = None) -> list[Document]:
    """The drives of a simulated server as ``bmc_info`` shows them."""
    keys = ("slot", "serial", "wwn", "model", "capacity_bytes", "protocol")
    drives = (node or NODE)["drives"]
    return [
        {**{key: drive[key] for key in keys}, "state": "present" if drive["present"] else "absent"} for drive in drives
    ]


def facts() -> Document:
    ports = [{"name": port["name"], "mac": port["mac"]} for port in NODE["nics"][0]["ports"]]
    return {"reachable": True, "drive": {"parts": parts()}, "nic": {"parts": [{"slot": "NIC1", "ports": ports}]}}


def wishes(**changes: Any) -> Document:
    """A merged ``os_install`` without a mistake: a mirror, and one encrypted data disk."""
    own = {
        "installer": "/srv/openEuler.iso",
        "repository": "http://10.77.0.1/openEuler-24.03/",
        "system_disks": ["DRV00210P00", "DRV00210P01"],
        "data_disks": [{"disk": "DRV00210P02", "mount": "/data0", "filesystem": "xfs", "luks": True}],
        "luks": {"key": LUKS},
        "hostname": "node2",
        "network": {"mac": MAC, "address": "10.77.0.12/24", "gateway": "10.77.0.1"},
        "password_hash": HASH,
        "ssh_keys": [KEY],
    }
    return model.merged(copy.deepcopy(own), changes)


def text_of(wanted: Document, install: str = "the-word") -> str:
    chosen, problems = disks.choose(wanted, parts())
    assert problems == []
    return kickstart.render(wanted, chosen, install)
