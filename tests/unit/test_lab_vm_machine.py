"""The virtual machine's life: QEMU's arguments, keys and credentials, waiting, stopping - with a stand-in for QEMU."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.state import LabError, State
from lab.supervise import Process, end, marked
from lab.vm import cli, guest, machine, qemu
from lab.vm.machine import Machine

# Listens like QEMU's forwarded port, greets like an sshd after a moment, writes a console.
STAND_IN = """
import socket, sys, time
port, console = int(sys.argv[1]), sys.argv[2]
open(console, "w").write("GRUB loading.\\nnpuforge-vm login:\\n")
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    server.bind(("127.0.0.1", port))
except OSError:
    sys.exit("Could not set up host forwarding rule")
server.listen()
while True:
    channel, _ = server.accept()
    channel.close()
"""


@pytest.fixture
def vm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine whose QEMU is the stand-in and whose image is an empty file."""
    state = State(tmp_path / "state")
    base = tmp_path / "vm-0.qcow2"
    base.touch()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    fake = bin_folder / "qemu-img"
    fake.write_text('#!/bin/sh\nfor last in "$@"; do :; done\necho "$@" > "$last"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    monkeypatch.setattr(machine.image, "missing_programs", lambda wanted: None)
    monkeypatch.setattr(machine.image, "ensure", lambda state, say: base)
    monkeypatch.setattr(
        qemu, "argv", lambda disks, port, firmware, log: [sys.executable, "-c", STAND_IN, str(port), str(log)]
    )
    yield Machine(state)
    end(marked(state), grace=0)


def options(argv: list[str], name: str) -> list[str]:
    return [argv[index + 1] for index, word in enumerate(argv) if word == name]


def disks(folder: Path) -> qemu.Disks:
    return qemu.Disks(folder / "o.qcow2", folder / "nvme", folder / "scsi", folder / "vars", (folder / "key",))


def test_the_guest_reaches_nothing_and_is_reached_on_loopback_only() -> None:
    argv = qemu.argv(disks(Path("/d")), 4711, "bios", Path("/serial.log"))
    [network] = options(argv, "-netdev")
    assert network == "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:4711-:22"
    assert "-nodefaults" in argv, "no network card, monitor or disk that nobody asked for"
    assert options(argv, "-monitor") == ["none"]
    assert not any("kvm" in word for word in argv)


def test_two_numa_nodes_of_two_cores_and_three_kinds_of_disks() -> None:
    argv = qemu.argv(disks(Path("/d")), 1, "bios", Path("/serial.log"))
    assert options(argv, "-smp") == ["4,sockets=2,cores=2,threads=1"]
    assert options(argv, "-numa") == ["node,nodeid=0,memdev=m0,cpus=0-1", "node,nodeid=1,memdev=m1,cpus=2-3"]
    assert options(argv, "-m") == ["2048M"]
    devices = " ".join(options(argv, "-device"))
    for device in ("virtio-blk-pci,drive=d0,bootindex=0", "nvme,serial=nvme0,drive=d1", "scsi-hd,bus=s0.0,drive=d2"):
        assert device in devices


def test_efi_brings_variables_of_its_own_and_bios_none() -> None:
    assert not any("pflash" in word for word in qemu.argv(disks(Path("/d")), 1, "bios", Path("/s")))
    drives = options(qemu.argv(disks(Path("/d,e")), 1, "efi", Path("/s")), "-drive")
    assert f"if=pflash,format=raw,unit=0,readonly=on,file={qemu.OVMF_CODE}" in drives
    assert "if=pflash,format=raw,unit=1,file=/d,,e/vars" in drives, "a comma in a path is doubled"


def test_keys_reach_the_guest_in_files_and_not_in_the_argument_list(vm: Machine) -> None:
    vm.start()
    folder = vm.state.root / "disk"
    for name, key in (
        (guest.ROOT_KEY, vm.state.ssh / "id_ed25519.pub"),
        (guest.HOST_KEY, vm.state.ssh / "vm_host_ed25519"),
    ):
        kind, _, value = (folder / name).read_text().partition("=")
        assert kind == f"io.systemd.credential.binary:{name}"
        assert base64.b64decode(value, validate=True) == key.read_bytes()
        assert (folder / name).stat().st_mode & 0o077 == 0
    argv = json.loads((vm.state.run / "qemu.json").read_text())["argv"]
    assert not any("PRIVATE" in word or "credential" in word for word in argv)


def test_start_checks_the_host_key_on_the_port_that_it_found(vm: Machine) -> None:
    vm.start()
    host_key = (vm.state.ssh / "vm_host_ed25519.pub").read_text().split()[1]
    assert (vm.state.ssh / "known_hosts").read_text() == f"[127.0.0.1]:{vm.port} ssh-ed25519 {host_key}\n"
    config = vm.ssh_config.read_text()
    assert f"Port {vm.port}\n" in config
    assert "StrictHostKeyChecking yes" in config
    assert "BatchMode yes" in config
    with socket.create_connection(("127.0.0.1", vm.port), timeout=3):
        pass


def test_two_machines_live_side_by_side(vm: Machine, tmp_path: Path) -> None:
    other = Machine(State(tmp_path / "other"))
    try:
        vm.start()
        other.start()
        assert vm.port != other.port
        assert other.stop() is True
        assert vm.process is not None
    finally:
        end(marked(other.state), grace=0)


def test_a_second_start_is_refused_and_stop_leaves_nothing(vm: Machine) -> None:
    vm.start()
    process = vm.process
    assert process is not None
    with pytest.raises(LabError, match="runs already"):
        vm.start()
    assert vm.stop() is True
    assert not process.alive
    assert not vm.state.root.exists()
    assert vm.stop() is False


def test_stop_finds_a_machine_whose_record_is_lost(vm: Machine) -> None:
    vm.start()
    process = vm.process
    assert process is not None
    (vm.state.run / "qemu.json").unlink()
    assert vm.stop() is True
    assert not process.alive


def test_a_port_that_somebody_takes_is_replaced(vm: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody connects, nobody else binds
        free.bind(("127.0.0.1", 0))
        wanted = free.getsockname()[1]
        ports = iter([taken.getsockname()[1], wanted])
        free.close()
        monkeypatch.setattr(machine, "_free_port", lambda: next(ports))
        vm.start()
        assert vm.port == wanted


def test_a_machine_that_cannot_start_says_what_qemu_said(vm: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "argv", lambda *_args: ["sh", "-c", "echo 'no such machine' >&2; exit 1"])
    with pytest.raises(LabError, match="no such machine"):
        vm.start()
    assert vm.process is None


def test_waiting_for_a_guest_that_never_greets_shows_its_console(vm: Machine) -> None:
    vm.start()
    with pytest.raises(LabError, match=r"its sshd does not answer(.|\n)*npuforge-vm login:"):
        vm.wait(seconds=0.5)


def test_waiting_ends_when_the_machine_dies(vm: Machine) -> None:
    vm.start()
    process = vm.process
    assert process is not None
    end([process], grace=0)
    with pytest.raises(LabError, match="ended before it was ready"):
        vm.wait(seconds=30)


def test_tied_to_its_starter_it_ends_with_it(vm: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    starter = threading.Thread(target=lambda: vm.start(tied=True))
    starter.start()
    starter.join(timeout=20)
    deadline = 50
    while vm.process and deadline:
        threading.Event().wait(0.1)
        deadline -= 1
    assert vm.process is None


@pytest.mark.parametrize("firmware", ["uefi", ""])
def test_unknown_firmware_is_refused(vm: Machine, firmware: str) -> None:
    with pytest.raises(LabError, match="expected bios or efi"):
        vm.start(firmware)


def test_the_command_line(vm: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--state", str(vm.state.root)]
    assert cli.main([*where, "ssh", "true"]) == 1
    assert "start" in capsys.readouterr().err
    assert cli.main([*where, "start"]) == 0
    assert f"127.0.0.1:{vm.port}" in capsys.readouterr().out
    assert cli.main([*where, "wait", "--seconds", "0.2"]) == 1
    assert "does not answer" in capsys.readouterr().err
    assert cli.main([*where, "console"]) == 0
    assert "GRUB loading." in capsys.readouterr().out
    pid = Process.of(vm.process.pid) if vm.process else None
    assert cli.main([*where, "stop"]) == 0
    assert pid is not None
    assert not pid.alive
    assert cli.main([*where, "stop"]) == 0
    assert "no virtual machine" in capsys.readouterr().out
