"""``mpirun`` of the twin: reads its command line and host file, finds the hosts, and starts HCCL Test on them.

It answers as MPICH's launcher (Hydra 3.2.1) and also understands Open MPI's host file and options, because HCCL Test's
guide (oam-tools, execution.md) describes both. Real launchers go to the other hosts by ssh; this one looks at their
power, so neither keys nor firewalls between nodes are tested. Messages: Hydra's as pasted in public reports (file and
line numbers belong to 3.x); for an unknown option and a bad host file their form only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from lab.nodes.disk import Disk
from lab.npu import collective
from lab.npu.call import Call, Session
from lab.npu.ranks import Member
from lab.state import LabError

VERSION = "HYDRA build details:\n    Version:                                 3.2.1\n"
ENVIRONMENT_FILE = "/etc/npuforge/hccl.env"  # what a login on a node sets for collective programs
LOCAL = ("localhost", "127.0.0.1", "::1")
SSH_SECONDS = 1.0  # until a dead host is given up; ssh waits longer
FAILED = 255
VALUES = {
    **dict.fromkeys(("f", "hostfile", "machinefile", "default-hostfile"), "file"),
    **dict.fromkeys(("n", "np", "c"), "count"),
    **dict.fromkeys(("ppn", "perhost", "npernode", "N"), "each"),
    **dict.fromkeys(("host", "hosts", "H"), "hosts"),
    **dict.fromkeys(("prefix", "iface", "launcher", "bootstrap", "bind-to", "map-by", "wdir", "genvlist"), "ignored"),
    **dict.fromkeys(("envlist", "rmk", "demux"), "ignored"),
}
PAIRS = {"genv": True, "env": True, "mca": False, "gmca": False}  # two words; whether they are a variable
FLAGS = {"allow-run-as-root", "genvall", "envall", "genvnone", "oversubscribe", "v", "verbose", "print-all-exitcodes"}
LABELS = {"l", "prepend-rank", "tag-output"}


class Broken(Exception):
    """The launcher gives up: its last words (standard error)."""


@dataclass
class Job:
    """What the command line asks for. ``hosts``: as written, with how many ranks each (0: not said)."""

    program: str = ""
    argv: list[str] = field(default_factory=list)
    count: int | None = None
    each: int | None = None
    file: str | None = None
    hosts: list[tuple[str, int]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    labels: bool = False


def mpirun(call: Call) -> int:
    """The launcher's exit status: 0, what the ranks end with, or 255 when it could not start them."""
    if call.argv[:1] in (["--version"], ["-V"], ["-version"], ["-info"], ["--info"]):
        call.say(VERSION)
        return 0
    try:
        job = parse(call.node, call.argv, call.environment)
        nodes = _nodes(call, job)
        name = _program(call, job)
    except Broken as problem:
        call.complain(f"{problem}\n")
        return FAILED
    if name == "hostname":
        call.say("".join(f"{node}\n" for node in nodes))
        return 0
    members = _members(call, job, nodes)
    return collective.run(call, name, job.argv, members, job.labels)


def alone(name: str) -> Session:
    """A test that was started without a launcher: one rank."""

    def session(call: Call) -> int:
        [member] = _members(call, Job(environment=dict(call.environment)), [call.node])
        return collective.run(call, name, call.argv, [member], False)

    return session


# --- the command line ------------------------------------------------------------------------------------------------


def parse(node: str, argv: Sequence[str], own: Mapping[str, str]) -> Job:
    """``own``: the caller's variables, which every rank gets unless the command line says otherwise."""
    job, rest = Job(environment=dict(own)), list(argv)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        key = word.lstrip("-")
        if key in LABELS:
            job.labels = True
        elif key in PAIRS and len(rest) > 1:
            name, value = rest.pop(0), rest.pop(0)
            if PAIRS[key]:
                job.environment[name] = value
        elif key == "x" and rest:
            name, equals, value = rest.pop(0).partition("=")
            if equals:
                job.environment[name] = value
        elif key in VALUES and rest:
            _value(node, job, VALUES[key], rest.pop(0))
        elif key not in FLAGS:
            raise Broken(_trace(node, "match_arg (utils/args/args.c:159)", f"unrecognized argument {key}"))
    if rest[:1] == ["env"]:
        rest.pop(0)
        while rest and re.match(r"[A-Za-z_]\w*=", rest[0]):
            name, _, job.environment[name] = rest.pop(0).partition("=")
    if not rest:
        raise Broken(
            f"[mpiexec@{node}] HYD_uii_mpx_get_parameters (ui/mpich/utils.c:1662): no executable provided. Try -h for "
            "help."
        )
    job.program, job.argv = rest[0], rest[1:]
    return job


def _value(node: str, job: Job, what: str, value: str) -> None:
    if what == "file":
        job.file = value
    elif what == "hosts":
        job.hosts += [_host(node, item) for item in value.split(",") if item]
    elif what in ("count", "each"):
        if not (value.isascii() and value.isdigit() and int(value) > 0):
            raise Broken(_trace(node, "match_arg (utils/args/args.c:156)", f"invalid number {value}"))
        setattr(job, what, int(value))


def _trace(node: str, first: str, text: str) -> str:
    """How Hydra tells that it does not understand its arguments."""
    steps = [
        f"{first}: {text}",
        "HYDU_parse_array (utils/args/args.c:178): argument matching returned error",
        "parse_args (ui/mpich/utils.c:1642): error parsing input array",
        "HYD_uii_mpx_get_parameters (ui/mpich/utils.c:1694): unable to parse user arguments",
        "main (ui/mpich/mpiexec.c:148): error parsing parameters",
    ]
    return "\n".join(f"[mpiexec@{node}] {step}" for step in steps)


# --- hosts -----------------------------------------------------------------------------------------------------------


def _host(node: str, line: str) -> tuple[str, int]:
    """``10.77.0.11:8``, ``node3 slots=8``, ``node3``. Raises Broken."""
    words = line.split()
    name, _, number = words[0].partition(":")
    slots = next((word.partition("=")[2] for word in words[1:] if word.startswith("slots=")), number)
    if not name or (slots and not (slots.isascii() and slots.isdigit())):
        raise Broken(_trace(node, "HYDU_parse_hostfile (utils/args/args.c:391)", f"unable to process token {line}"))
    return name, int(slots or 0)


def _nodes(call: Call, job: Job) -> list[str]:
    """The node of each rank, in order: the hosts' places are filled one host after the other, then from the start."""
    hosts = list(job.hosts)
    if job.file is not None:
        text = call.read(job.file)
        if text is None:
            where = "HYDU_parse_hostfile (utils/args/args.c:319)"
            raise Broken(_trace(call.node, where, f"unable to open host file: {job.file}"))
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        hosts += [_host(call.node, line) for line in lines if line]
    if not hosts:
        hosts = [(call.node, job.count or 1)]
    places = [_find(call, name) for name, slots in hosts for _ in range(job.each or slots or 1)]
    count = job.count or len(places)
    return [places[index % len(places)] for index in range(count)]


def _find(call: Call, host: str) -> str:
    """The node that a host name or address means, when it can be reached. Raises Broken."""
    names = call.world.names()
    for name in names:
        if host in (name, call.world.read(name)["address"]) or (host in LOCAL and name == call.node):
            if name == call.node or call.world.read(name)["power"] == "on":
                return name
            call.wait(SSH_SECONDS)
            raise Broken(_unreachable(call.node, f"ssh: connect to host {host} port 22: No route to host"))
    call.wait(SSH_SECONDS)
    if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:]+:[0-9a-fA-F:]*", host):
        raise Broken(_unreachable(call.node, f"ssh: connect to host {host} port 22: Connection timed out"))
    raise Broken(_unreachable(call.node, f"ssh: Could not resolve hostname {host}: Name or service not known"))


def _unreachable(node: str, said: str) -> str:
    bootstrap, waiting = "tools/bootstrap", "error waiting for completion"
    badly = "one of the processes terminated badly; aborting"
    steps = [
        f"HYDT_bscu_wait_for_completion ({bootstrap}/utils/bscu_wait.c:76): {badly}",
        f"HYDT_bsci_wait_for_completion ({bootstrap}/src/bsci_wait.c:23): launcher returned {waiting}",
        f"HYD_pmci_wait_for_completion (pm/pmiserv/pmiserv_pmci.c:218): launcher returned {waiting}",
        f"main (ui/mpich/mpiexec.c:344): process manager {waiting}",
    ]
    return "\n".join([said, *(f"[mpiexec@{node}] {step}" for step in steps)])


def _program(call: Call, job: Job) -> str:
    """The name of the test. Raises Broken: it is not there, or no program of the twin."""
    name = PurePosixPath(job.program).name
    if name == "hostname":
        return name
    if "/" in job.program and call.read(job.program) is None:
        where = f"[proxy:0:0@{call.node}] HYDU_create_process (utils/launch/launch.c:74)"
        said = f"{where}: execvp error on file {job.program} (No such file or directory)"
        raise Broken("\n".join([said] * (job.count or 1)))
    operation = name.removesuffix("_test")
    if operation not in collective.OPERATIONS:
        raise Broken(f"mpirun: the twin starts only HCCL Test and hostname, not {job.program}")
    return operation


# --- ranks -----------------------------------------------------------------------------------------------------------


def _members(call: Call, job: Job, nodes: Sequence[str]) -> list[Member]:
    """Ranks with what they know: a node's own variables, and over them those that the launcher hands on."""
    own = {node: _variables(node_file(call, node, ENVIRONMENT_FILE)) for node in dict.fromkeys(nodes)}
    return [Member(rank, node, {**own[node], **job.environment}) for rank, node in enumerate(nodes)]


def node_file(call: Call, node: str, path: str) -> str | None:
    """A file of a node; None: it is not there, or the node has no container (as in tests)."""
    if node == call.node:
        return call.read(path)
    try:
        content = Disk(str(call.world.site()["name"])).read(node, path)
    except LabError:
        return None
    return content.decode(errors="replace") if content is not None else None


def _variables(text: str | None) -> dict[str, str]:
    """``export HCCL_RDMA_TC=132`` or without export; quotes and other lines are dropped."""
    found = re.findall(r"^\s*(?:export\s+)?((?:HCCL|ASCEND)_\w+)=[\"']?([^\"'\s#]*)", text or "", re.MULTILINE)
    return dict(found)
