"""The command line of the twin."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import faults, power, status
from lab.nodes.containers import Nodes
from lab.nodes.disk import Disk
from lab.nodes.podman import Podman
from lab.state import DEFAULT_SITE, LabError, State, state_directory
from lab.supervise import Supervisor, marked_environment
from lab.up import SERVICES, Progress, down, up, wanted_settings
from lab.world import WorldError

SETTLE_SECONDS = 5
DESCRIPTION = """\
The npuforge twin: a simulated site of Ascend servers (real Linux in containers, with BMCs that speak
Redfish and IPMI) and a switch. Playbooks cannot tell it from a real one; it can be broken on purpose.
"""
EPILOG = """\
a first round:
  python -m lab up                          raise it (half a minute the first time, seconds afterwards)
  python -m lab status                      what is there and what answers
  python -m lab break node2 psu_unplugged   plant a fault; 'python -m lab faults' lists all of them
  python -m lab heal --all                  put everything right again
  python -m lab down                        take it down; --purge also forgets its world and secrets

exit codes:
  0  done                                   3  this machine lacks something: root, a program
  1  it did not work; the message says why  4  another 'up' or 'down' is at work on this twin
  2  wrong arguments, or a name that is     5  there is no twin here: 'up' first
     not there                            130  interrupted
'status' exits with 1 when something is not as it should be.

environment:
  NPUFORGE_LAB_STATE       the state directory (default .lab in the checkout)
  NPUFORGE_CACHE           where node image and RPMs are kept (default ~/.cache/npuforge)
  NPUFORGE_DEBIAN_MIRROR   where the node image's packages come from
"""
NO_TWIN = 5
NAMES = {"on": "on", "off": "force_off", **{action: action for action in power.ACTIONS}}


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", metavar="DIR", default=argparse.SUPPRESS, help="the twin's state directory")
    common.add_argument("--site", metavar="NAME", default=argparse.SUPPRESS, help=f"its name (default {DEFAULT_SITE})")
    top = argparse.ArgumentParser(
        prog="python -m lab", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw, parents=[common]
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, text: str, detail: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}. {detail}".strip(), parents=[common]
        )

    sub = command("up", "raise the twin, or repair what is missing of it", "Planted faults and power states stay.")
    sub.add_argument("--fresh", action="store_true", help="a new healthy world and new containers")
    sub.add_argument("--nodes", type=_number(1, 200), metavar="N", help="how many servers (default 3)")
    sub.add_argument("--dialect", choices=("openubmc", "ibmc", "mixed"), help="what the BMCs are (default openubmc)")
    sub.add_argument(
        "--bare",
        action=argparse.BooleanOptionalAction,
        help="nodes without the vendor's software: no driver, no CANN, no tools; changing it makes the nodes anew "
        "(default: delivered with it, --no-bare)",
    )
    sub.add_argument(
        "--persona",
        metavar="NODE=kylin,...",
        help="nodes that are Kylin V10 with its Python 3.7 instead of openEuler; 'none' for none; changing it makes "
        "those nodes anew (default: as it was, at first none)",
    )
    sub.add_argument(
        "--subnet",
        type=_number(1, 254),
        metavar="N",
        help="the number in its addresses: nodes 10.N.0.11.., BMCs 127.N.1.11.., switch 127.N.2.1, vendor 127.N.3.1 "
        f"(default 77 for {DEFAULT_SITE}, else derived from the name)",
    )
    sub = command("down", "take the twin down, in whatever state it is", "World and secrets stay.")
    sub.add_argument("--purge", action="store_true", help="also remove the state directory: world, secrets, keys")
    sub = command("status", "show what is there, what answers and what is broken")
    sub.add_argument("--json", action="store_true", help="the same as JSON")
    sub = command("break", "plant a fault in a device")
    sub.add_argument("subject", help="node1, ..., or sw1")
    sub.add_argument("fault", help="a name from 'python -m lab faults'")
    sub = command("heal", "take faults out again")
    sub.add_argument("subject", nargs="?", help="a device; without it, --all means all of them")
    sub.add_argument("fault", nargs="?", help="one fault")
    sub.add_argument("--all", action="store_true", help="all faults of the subject, or of the site")
    sub = command("faults", "list what can be broken, and which clause must catch it")
    sub.add_argument("--json", action="store_true", help="the same as JSON")
    sub = command("logs", "show the log of a background service or the journal of a node")
    sub.add_argument("name", nargs="?", help="without it: which logs there are")
    sub.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    sub.add_argument("-n", "--lines", type=_number(1, 100000), default=50, metavar="N", help="how many (default 50)")
    sub = command("power", "press a server's power button", "Exactly what its BMC would do.")
    sub.add_argument("node", help="node1, ...")
    sub.add_argument("action", choices=sorted(NAMES), help="'off' pulls the plug, graceful_off asks the system")
    return top


def _number(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number within bounds."""

    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text}: expected {low} to {high}")
        return value

    return number


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    state = State(state_directory(getattr(options, "state", None)))
    try:
        code = _run(options, state)
        sys.stdout.flush()  # here, where a reader that went away is no error
        return code
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.code
    except (WorldError, power.PowerError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"lab: {error.filename} belongs to root, as the twin does: use sudo", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("lab: interrupted; call it again to go on, or 'python -m lab down' to clean up", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing may be written at exit any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(options: argparse.Namespace, state: State) -> int:
    site = getattr(options, "site", None)
    if options.command == "faults":
        return _faults(as_json=options.json)
    if options.command == "up":
        os.environ.update(marked_environment(state))  # so that 'down' finds what an interrupted 'up' had under way
        given = {"nodes": options.nodes, "dialect": options.dialect, "subnet": options.subnet, "bare": options.bare}
        given["persona"] = options.persona
        up(state, wanted_settings(state, site, **given), Progress(), options.fresh)
        return 0
    settings = wanted_settings(state, site)
    if options.command == "down":
        down(state, settings, Progress(), options.purge)
        return 0
    if not state.world.exists:
        raise LabError(f"no twin in {state.root}: 'python -m lab up' makes one", code=NO_TWIN)
    if options.command == "status":
        seen = status.look(state, settings)
        print(json.dumps(seen, indent=1, ensure_ascii=False) if options.json else status.table(seen))
        return 0 if seen["up"] else 1
    if options.command == "logs":
        return _logs(state, Nodes(state, settings, Podman()), options)
    engine = faults.Engine(state.world, files=Disk(settings.site))
    if options.command == "break":
        print("\n".join(engine.plant(options.subject, options.fault)))
        _settle(state)
    elif options.command == "heal":
        print("\n".join(_heal(engine, options)))
        _settle(state)
    elif options.command == "power":
        kind, node = engine.subject(options.node)
        if kind != "nodes":
            raise LabError(f"{node} is not a server", code=2)
        power.apply(state.world, node, NAMES[options.action], power.PodmanBackend(settings.site))
        print(f"{node}: {state.world.read(node)['power']}")
    return 0


def _settle(state: State) -> None:
    """Wait until the BMCs show the change, so that whoever reads them next sees it; not at all when they are down."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(SETTLE_SECONDS)
        channel.connect(str(state.run / "bmc-control.sock"))
        channel.sendall(b"settle\n")
        channel.recv(64)


def _heal(engine: faults.Engine, options: argparse.Namespace) -> list[str]:
    if options.subject and (options.fault is None) == options.all:
        return engine.heal(options.subject, options.fault)
    if options.all and not options.subject:
        return engine.heal_all()
    raise LabError("heal what? 'heal <subject> <fault>', 'heal <subject> --all' or 'heal --all'", code=2)


def _faults(as_json: bool) -> int:
    catalogue = faults.load()
    if as_json:
        keys = ("kind", "does", "clause", "check", "verdict", "scope", "names")
        rows = {name: {key: getattr(fault, key) for key in keys} for name, fault in catalogue.items()}
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    table = [["fault", "of", "clause", "caught by", "as", "what it does"]]
    for fault in catalogue.values():
        table.append([fault.name, fault.kind, fault.clause, fault.check, fault.verdict, fault.does])
    print("\n".join(status.align(table)))
    return 0


def _logs(state: State, containers: Nodes, options: argparse.Namespace) -> int:
    supervisor = Supervisor(state)
    logs = sorted({path.stem for path in state.log.glob("*.log")} | {service.name for service in SERVICES})
    nodes = state.world.names()
    if options.name is None:
        print("services and builds: " + ", ".join(logs) + "\nnodes (their journal): " + ", ".join(nodes))
        return 0
    if options.name in nodes:
        follow = ["--follow"] if options.follow else []
        journal = ["journalctl", "--no-pager", "--lines", str(options.lines), *follow]
        return subprocess.run(["podman", "exec", containers.container(options.name), *journal], check=False).returncode
    if options.name not in logs:
        raise LabError(f"no log {options.name!r}{faults.near(options.name, [*logs, *nodes])}", code=2)
    return _show(supervisor.log(options.name), options.lines, options.follow)


def _show(path: Path, lines: int, follow: bool) -> int:
    """The end of a log; then what is added, until interrupted. A log that was replaced is read from its start."""
    if not path.exists():
        print(f"{path} is not there yet")
        return 0
    with path.open("rb") as stream:
        kept = stream.readlines()[-lines:]
        position = stream.tell()
    sys.stdout.write(b"".join(kept).decode(errors="replace"))
    while follow:
        sys.stdout.flush()
        time.sleep(0.3)
        size = path.stat().st_size if path.exists() else 0
        if size == position:
            continue
        with path.open("rb") as stream:
            stream.seek(position if size > position else 0)
            sys.stdout.write(stream.read().decode(errors="replace"))
            position = stream.tell()
    return 0
