"""Witnesses: OpenStack's sushy and Ansible's redfish modules, which know nothing of us, drive the simulated BMCs."""

from __future__ import annotations

import hashlib
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sushy
from sushy.resources.manager import constants as media_constants

from tests.integration.witness_redfish_helpers import BIN, Service, environment, run, service
from tests.unit.lab_bmc_helpers import PASSWORD, USER, wait_for

IMAGE = b"a bootable image " * 100000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an image that a small web server on the loopback gives out."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "boot.iso").write_bytes(IMAGE)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/boot.iso"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["node1", "node3"], ids=["openubmc", "ibmc"])
def root(request: pytest.FixtureRequest, served: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[sushy.Sushy]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(served.ca_file))  # requests prefers it to what sushy passes
    found = sushy.Sushy(served.base_url(request.param) + "/redfish/v1", USER, PASSWORD, verify=str(served.ca_file))
    found.node = request.param
    yield found
    # Its destructor would do this whenever it is collected: then nobody answers any more, and the retries of minutes
    # would hold up whatever test runs by then.
    found._auth.close()
    found._auth = None


def test_sushy_switches_the_machine(root: sushy.Sushy, served: Service) -> None:
    system = root.get_system("/redfish/v1/Systems/1")
    assert system.power_state == sushy.PowerState.ON
    assert system.get_allowed_reset_system_values() >= {sushy.ResetType.ON, sushy.ResetType.FORCE_OFF}
    system.reset_system(sushy.ResetType.FORCE_OFF)
    system.refresh(force=True)
    assert system.power_state == sushy.PowerState.OFF
    assert served.world.read(root.node)["power"] == "off"
    system.reset_system(sushy.ResetType.ON)
    system.refresh(force=True)
    assert system.power_state == sushy.PowerState.ON
    wait_for(lambda: served.world.read(root.node)["post"] == "ok")


def test_sushy_sets_the_boot_device(root: sushy.Sushy, served: Service) -> None:
    system = root.get_system("/redfish/v1/Systems/1")
    system.set_system_boot_options(sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE)
    system.refresh(force=True)
    assert system.boot.target == sushy.BootSource.PXE
    assert served.world.read(root.node)["boot"] == {"target": "Pxe", "enabled": "Once", "mode": "UEFI"}
    system.reset_system(sushy.ResetType.FORCE_RESTART)
    system.refresh(force=True)
    assert system.boot.enabled == sushy.BootSourceOverrideEnabled.DISABLED
    assert served.world.read(root.node)["booted_from"] == "Pxe"


def test_sushy_inserts_virtual_media(root: sushy.Sushy, served: Service, image: str) -> None:
    media = root.get_manager("/redfish/v1/Managers/1").virtual_media.get_members()[0]
    assert media_constants.VirtualMediaType.CD in media.media_types
    media.insert_media(image)
    media.refresh(force=True)
    assert media.inserted
    assert media.image == image
    assert served.world.read(root.node)["virtual_media"]["sha256"] == hashlib.sha256(IMAGE).hexdigest()
    media.eject_media()
    media.refresh(force=True)
    assert not media.inserted


def test_sushy_reads_the_inventory(root: sushy.Sushy) -> None:
    system = root.get_system("/redfish/v1/Systems/1")
    assert system.memory_summary.size_gib == 1024
    processors = system.processors.get_members()
    assert [item.total_cores for item in processors if item.processor_type == sushy.ProcessorType.CPU] == [64] * 4
    drives = [drive for storage in system.storage.get_members() for drive in storage.drives]
    assert len(drives) == (6 if root.node == "node1" else 2)
    thermal = system.chassis[0].thermal
    assert [fan.reading for fan in thermal.fans] == [7200] * 8
    assert {supply.line_input_voltage for supply in system.chassis[0].power.power_supplies} == {220}
    firmware = {item.identity: item.version for item in root.get_update_service().firmware_inventory.get_members()}
    assert firmware["Bios"] == "7.44"


def test_sushy_uses_a_session_and_ends_it(root: sushy.Sushy) -> None:
    sessions = root.get_session_service()
    _, location = sessions.create_session(USER, PASSWORD)
    identity = location.rpartition("/")[2]
    assert identity in {item.identity for item in sessions.sessions.get_members()}
    sessions.close_session(location)
    assert identity not in {item.identity for item in root.get_session_service().sessions.get_members()}


def ansible(served: Service, node: str, folder: Path, module: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run one playbook that calls a module with each of these arguments; the modules' results."""
    where = served.base_url(node).removeprefix("https://")
    common = {"baseuri": where, "username": USER, "validate_certs": True, "ca_path": str(served.ca_file)}
    tasks: list[dict[str, Any]] = []
    for number, call in enumerate(calls):
        arguments = {**common, **call, "password": "{{ lookup('env', 'BMC_PASSWORD') }}"}
        tasks.append({f"community.general.{module}": arguments, "register": f"r{number}", "ignore_errors": True})
    shown = "{{ [" + ", ".join(f"r{number}" for number in range(len(calls))) + "] | to_json }}"
    tasks.append({"ansible.builtin.copy": {"content": shown, "dest": str(folder / "results.json"), "mode": "0600"}})
    play = [{"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks}]
    (folder / "play.yml").write_text(json.dumps(play))
    (folder / "ansible.cfg").write_text(
        f"[defaults]\nlocalhost_warning = false\ninterpreter_python = {sys.executable}\n"
    )
    env = environment(served.ca_file, folder)
    env |= {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "BMC_PASSWORD": PASSWORD}
    done = run([str(BIN / "ansible-playbook"), "-i", "localhost,", "play.yml"], env, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert PASSWORD not in done.stdout
    results: list[dict[str, Any]] = json.loads((folder / "results.json").read_text())
    failed = [(call, result.get("msg")) for call, result in zip(calls, results, strict=True) if result.get("failed")]
    assert not failed, failed
    return results


def test_redfish_info_reads_the_inventory(served: Service, tmp_path: Path) -> None:
    wanted = {
        "Systems": [
            "GetSystemInventory",
            "GetCpuInventory",
            "GetMemoryInventory",
            "GetDiskInventory",
            "GetNicInventory",
            "GetBiosAttributes",
            "GetBootOverride",
        ],
        "Chassis": [
            "GetFanInventory",
            "GetPsuInventory",
            "GetChassisThermals",
            "GetChassisPower",
            "GetChassisInventory",
        ],
        "Manager": [
            "GetManagerInventory",
            "GetVirtualMedia",
            "GetLogs",
            "GetNetworkProtocols",
            "GetManagerNicInventory",
        ],
        "Update": ["GetFirmwareInventory"],
        "Accounts": ["ListUsers"],
        "Sessions": ["GetSessions"],
    }
    calls = [{"category": [category], "command": commands} for category, commands in wanted.items()]
    results = ansible(served, "node1", tmp_path, "redfish_info", calls)
    facts: dict[str, Any] = {}
    for result in results:
        facts |= result["redfish_facts"]
    unread = [name for name, value in facts.items() if isinstance(value, dict) and value.get("ret") is False]
    assert not unread

    def entries(name: str) -> list[dict[str, Any]]:
        """Some of the module's answers name the resource beside its entries, some do not."""
        found = facts[name]["entries"]
        return list(found[0][1]) if isinstance(found[0], list) else list(found)

    assert facts["system"]["entries"][0][1]["SerialNumber"] == "2102314TWN10P0000001"
    assert len(entries("cpu")) == 12, "4 CPUs and 8 NPUs: this module does not tell them apart"
    assert len(entries("memory")) == 32
    assert sum(len(item["Drives"]) for item in entries("disk")) == 6
    assert len(entries("fan")) == 8
    assert len(entries("psu")) == 4
    assert {item["Name"]: item.get("Version") for item in entries("firmware")}["Bios"] == "7.44"
    assert facts["bios_attribute"]["entries"][0][1]["QuickBoot"] == "Enabled"


def test_redfish_command_drives_the_machine(served: Service, tmp_path: Path, image: str) -> None:
    world = served.world
    calls: list[dict[str, Any]] = [
        {"category": "Systems", "command": ["PowerForceRestart"]},
        {"category": "Systems", "command": ["PowerGracefulShutdown"]},
        {"category": "Systems", "command": ["SetOneTimeBoot"], "bootdevice": "Pxe"},
        {"category": "Systems", "command": ["PowerOn"]},
        {
            "category": "Manager",
            "command": ["VirtualMediaInsert"],
            "virtual_media": {"image_url": image, "media_types": ["CD", "DVD"]},
        },
        {"category": "Accounts", "command": ["AddUser"], "new_username": "auditor", "new_password": "Audit-passw0rd"}
        | {"roleid": "ReadOnly"},
        {"category": "Systems", "command": ["EnableContinuousBootOverride"], "bootdevice": "Hdd"},
        {"category": "Manager", "command": ["ClearLogs"]},
        {"category": "Accounts", "command": ["DeleteUser"], "account_username": "auditor"},
    ]
    results = ansible(served, "node1", tmp_path, "redfish_command", calls)
    assert [result["changed"] for result in results[:6]] == [True] * 6
    node = world.read("node1")
    assert node["booted_from"] == "Pxe"
    assert node["power"] == "on"
    assert node["boot"]["target"] == "Hdd"
    assert node["virtual_media"]["sha256"] == hashlib.sha256(IMAGE).hexdigest()
