"""The command line of the virtual machine."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

from lab.state import LabError
from lab.vm import image, qemu
from lab.vm.machine import BOOT_SECONDS, Machine, vm_state

DESCRIPTION = """\
A virtual machine in software emulation (QEMU, no KVM) with a kernel and a GRUB of its own: what a container of the
twin cannot prove, it can. Every start is a fresh machine; stop removes what it wrote.
"""
EPILOG = """\
  python -m lab.vm start --wait         build the image if need be, boot it, wait for ssh (half a minute)
  python -m lab.vm ssh cat /proc/cmdline
  python -m lab.vm stop

environment:
  NPUFORGE_VM_STATE        the state directory (default .lab-vm in the checkout)
  NPUFORGE_CACHE           where the image is kept (default ~/.cache/npuforge)
  NPUFORGE_DEBIAN_MIRROR   where the image's packages come from
"""


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", metavar="DIR", default=argparse.SUPPRESS, help="the machine's state directory")
    top = argparse.ArgumentParser(
        prog="python -m lab.vm",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[common])

    command("build", "build the image of today's recipe unless it is in the cache (root), and say where it is")
    sub = command("start", "start a fresh machine; builds the image when it is missing")
    sub.add_argument("--firmware", choices=qemu.FIRMWARES, default="bios", help="SeaBIOS or OVMF (default bios)")
    sub.add_argument("--wait", action="store_true", help="until it answers over ssh")
    sub = command("wait", "wait until it answers over ssh, and print its boot id")
    sub.add_argument("--before", metavar="ID", help="a boot id that does not count, to wait for a reboot")
    sub.add_argument("--seconds", type=float, default=BOOT_SECONDS, metavar="N", help=f"default {BOOT_SECONDS:.0f}")
    sub = command("ssh", "log in as root, or run a command")
    sub.add_argument("argv", nargs=argparse.REMAINDER, help="the command")
    command("console", "show the end of the guest's serial console")
    command("stop", "end it and remove its disks, keys and logs")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    machine = Machine(vm_state(getattr(options, "state", None)))
    try:
        return _run(options, machine)
    except LabError as error:
        print(f"lab.vm: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("lab.vm: interrupted; 'python -m lab.vm stop' cleans up", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace, machine: Machine) -> int:
    begin = time.monotonic()
    if options.command == "build":
        with machine.state.exclusive():
            machine.state.make_folders()
            print(image.ensure(machine.state, _say))
    elif options.command == "start":
        machine.start(options.firmware, say=_say)
        if options.wait:
            machine.wait()
        print(f"127.0.0.1:{machine.port} after {time.monotonic() - begin:.0f} s; 'python -m lab.vm stop' ends it")
    elif options.command == "wait":
        print(machine.wait(options.before, options.seconds))
    elif options.command == "ssh":
        _ = machine.port  # raises when there is no machine, before ssh complains about its configuration
        return subprocess.run(machine.ssh_argv(*options.argv), check=False).returncode
    elif options.command == "console":
        print(machine.console(lines=50))
    else:
        print("stopped" if machine.stop() else "there is no virtual machine")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
