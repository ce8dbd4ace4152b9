"""One virtual machine: a throw-away overlay over the cached image, started, waited for, asked over ssh, stopped.

``<state>/disk/`` holds the overlay and the data disks, ``<state>/ssh/`` the keys, ``<state>/run/qemu.json`` pid and
start time (``lab.supervise``), ``<state>/log/{qemu,serial}.log`` what QEMU and the guest's console said. ``stop``
removes all of it: an overlay is never used twice (it has no journal, and the host's cache was not flushed).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import credentials
from lab.state import CHECKOUT, LabError, State
from lab.supervise import Process, Supervisor, end, marked
from lab.vm import guest, image, qemu
from lab.world import write_atomic

NAME = "qemu"
HOST = "vm"  # its name in known_hosts' key and in the ssh configuration
PROGRAMS = {"qemu-img": "qemu-utils", qemu.PROGRAM: "qemu-system-x86", "ssh": "openssh-client"}
DATA_DISK_BYTES = 64 * 1024**2
BOOT_SECONDS = 240.0  # 25 to 50 on two free cores
PORT_ATTEMPTS = 5
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def vm_state(option: str | None = None) -> State:
    """``option``, else ``NPUFORGE_VM_STATE``, else ``.lab-vm`` in the checkout."""
    return State(Path(option or os.environ.get("NPUFORGE_VM_STATE") or CHECKOUT / ".lab-vm"))


class Machine:
    """The virtual machine of one state directory."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.supervisor = Supervisor(state)
        self.serial_log = state.log / "serial.log"
        self.ssh_config = state.ssh / "vm_config"
        self._record = state.root / "vm.json"

    @property
    def process(self) -> Process | None:
        return self.supervisor.running(NAME)

    @property
    def port(self) -> int:
        """Where 127.0.0.1 leads to its sshd. Raises LabError when it was never started."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            return int(record["port"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LabError(f"no virtual machine in {self.state.root}: 'python -m lab.vm start' makes one") from error

    def start(
        self, firmware: str = "bios", tied: bool = False, say: Callable[[str], None] = lambda _text: None
    ) -> None:
        """Start it on a new overlay and return when QEMU runs; ``wait`` waits for the guest.

        ``tied``: it ends with the thread that starts it, however that ends (tests). Raises LabError.
        """
        if firmware not in qemu.FIRMWARES:
            raise LabError(f"firmware {firmware!r}: expected {' or '.join(qemu.FIRMWARES)}", code=2)
        image.missing_programs(PROGRAMS)
        if firmware == "efi" and not qemu.OVMF_CODE.exists():
            raise LabError("the VM's EFI firmware is not installed: apt-get install ovmf", code=3)
        with self.state.exclusive():
            if self.process:
                raise LabError(
                    f"the virtual machine of {self.state.root} runs already; 'python -m lab.vm stop' ends it"
                )
            self.state.make_folders()
            base = image.ensure(self.state, say)
            for _attempt in range(PORT_ATTEMPTS):
                port = _free_port()
                disks = self._files(base, port, firmware)
                argv = qemu.argv(disks, port, firmware, self.serial_log)
                if self._launch([*_tie(tied), *argv], port):
                    return
            raise LabError(f"no loopback port stays free long enough; {self.supervisor.tail(NAME)}")

    def _files(self, base: Path, port: int, firmware: str) -> qemu.Disks:
        """Everything that belongs to this one use: keys, credentials, overlay, data disks."""
        folder = self.state.root / "disk"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        credentials.ensure_keys(self.state, {HOST: f"[127.0.0.1]:{port}"})
        write_atomic(self.ssh_config, _ssh_config(self.state, port), 0o644)
        write_atomic(self._record, json.dumps({"port": port, "firmware": firmware}) + "\n")
        given = {
            guest.ROOT_KEY: (self.state.ssh / "id_ed25519.pub").read_bytes(),
            guest.HOST_KEY: credentials.host_key(self.state, HOST).read_bytes(),
        }
        for name, content in given.items():
            write_atomic(folder / name, qemu.credential(name, content))
        overlay = folder / "overlay.qcow2"
        made = subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base.absolute()), str(overlay)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise LabError(f"qemu-img create failed: {made.stderr.strip()}")
        disks = qemu.Disks(
            overlay=overlay,
            nvme=folder / "nvme.img",
            scsi=folder / "scsi.img",
            efi_variables=folder / "efi_variables.fd",
            credentials=tuple(folder / name for name in given),
        )
        for path in (disks.nvme, disks.scsi):
            with path.open("wb") as stream:
                stream.truncate(DATA_DISK_BYTES)
        if firmware == "efi":
            shutil.copyfile(qemu.OVMF_VARIABLES, disks.efi_variables)
        return disks

    def _launch(self, argv: list[str], port: int) -> bool:
        """Run QEMU; False when somebody else took the port in the meantime."""
        self.serial_log.unlink(missing_ok=True)
        self.supervisor.log(NAME).unlink(missing_ok=True)
        try:
            self.supervisor.start(NAME, argv)
            self.supervisor.wait_until(NAME, lambda: None if _connects(port) else "no port yet", seconds=30)
        except LabError:
            if self.process is None and "host forwarding" in self.supervisor.tail(NAME):
                return False
            self.supervisor.stop(NAME, grace=1.0)
            raise
        return True

    def wait(self, before: str | None = None, seconds: float = BOOT_SECONDS) -> str:
        """Wait until the guest answers over ssh and return its boot id. ``before``: a boot id that does not count."""
        port, found = self.port, ""

        def missing() -> str | None:
            nonlocal found
            if not _greets(port):
                return "its sshd does not answer"
            done = self.ssh(f"cat {BOOT_ID}", check=False)
            found = done.stdout.strip()
            if done.returncode != 0 or not found:
                return f"ssh: {done.stderr.strip() or done.returncode}"
            if found == before:
                time.sleep(0.5)  # on its way down: what it spends on our logins it lacks for that
                return "it has not rebooted yet"
            return None

        try:
            self.supervisor.wait_until(NAME, missing, seconds)
        except LabError as error:
            raise LabError(f"{error}\n{self.console()}") from error
        return found

    def console(self, lines: int = 15) -> str:
        """The end of what the guest wrote to its serial console."""
        try:
            text = self.serial_log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            text = []
        return f"last lines of {self.serial_log}:\n" + "\n".join(f"  | {line.rstrip()}" for line in text)

    def ssh_argv(self, *command: str) -> list[str]:
        return ["ssh", "-F", str(self.ssh_config), HOST, *command]

    def ssh(self, command: str, check: bool = True, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root in the guest; with ``check`` a failure is a LabError with what it said."""
        try:
            done = subprocess.run(
                self.ssh_argv(command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"in the virtual machine: {command}: no end after {seconds:.0f} s") from error
        if check and done.returncode != 0:
            raise LabError(f"in the virtual machine: {command}: {done.returncode}: {done.stderr.strip()}")
        return done

    def reboot(self, seconds: float = BOOT_SECONDS) -> str:
        """Let the guest reboot itself, wait for it and return the new boot id."""
        before = self.ssh(f"cat {BOOT_ID}").stdout.strip()
        self.ssh("systemctl reboot", check=False)  # the connection may end before the answer
        return self.wait(before, seconds)

    def stop(self) -> bool:
        """End QEMU (by pid and start time) and remove everything; False when there was nothing."""
        if not self.state.root.exists():
            return False
        self.supervisor.stop(NAME)
        survivors = end(marked(self.state))
        if survivors:
            raise LabError(f"process {survivors[0].pid} does not end, not even by SIGKILL")
        shutil.rmtree(self.state.root)
        return True


def _tie(tied: bool) -> Sequence[str]:
    return ("setpriv", "--pdeathsig", "KILL") if tied else ()


def _ssh_config(state: State, port: int) -> str:
    known, identity = (shlex.quote(str(state.ssh / name)) for name in ("known_hosts", "id_ed25519"))
    return (
        f"Host {HOST}\n  HostName 127.0.0.1\n  Port {port}\n  User root\n"
        f"  IdentityFile {identity}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n"
        "  BatchMode yes\n  ConnectTimeout 10\n  LogLevel ERROR\n"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connects(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def _greets(port: int) -> bool:
    """Whether the guest's sshd answers. QEMU takes every connection; only the guest sends a greeting."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as channel:
            return channel.recv(4) == b"SSH-"
    except OSError:
        return False
