"""HCCL Test over all ranks: the command, its run, and the facts of the cluster.

``all_reduce`` shows the bandwidth that training gets; ``alltoall`` is the many-to-one load (incast) under which PFC has
to act. The programs are built in CANN's ``tools/hccl_test``; mpirun is MPICH's or Open MPI's, which differ in the
host file and in how ranks get their environment.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import Any, Mapping, NamedTuple, Sequence

from ..common import Document, as_dict, note
from . import collective_parse, schedule
from .roce_test import last_words
from .tool import Answer, Tool

COLLECTOR = "collective_test"
INSTALLED = (
    "/usr/local/Ascend/ascend-toolkit/latest/tools/hccl_test",
    "/usr/local/Ascend/cann/tools/hccl_test",
    "/usr/local/Ascend/latest/tools/hccl_test",
)
ENVIRONMENTS = ("/usr/local/Ascend/ascend-toolkit/set_env.sh", "/usr/local/Ascend/cann/set_env.sh")
ALL_REDUCE, ALLTOALL = "all_reduce", "alltoall"
PROGRAMS = {ALL_REDUCE: "all_reduce_test", ALLTOALL: "alltoall_test"}


class Options(NamedTuple):
    """``hosts``: (node, address for mpirun), in the order of ranks. ``path``: folder of HCCL Test (None: look for it).
    ``seconds``: for one operation. ``first_bytes`` to ``last_bytes``, doubled from row to row."""

    hosts: Sequence[tuple[str, str]]
    operations: Sequence[str] = (ALL_REDUCE, ALLTOALL)
    path: str | None = None
    mpirun: str = "mpirun"
    environment_script: str | None = None
    environment: Mapping[str, str] | None = None
    first_bytes: int = 8192
    last_bytes: int = 67108864
    seconds: float = 300.0


class Ranks:
    """Which rank is which NPU: node by node, device by device."""

    def __init__(self, plan: Any, hosts: Sequence[tuple[str, str]]) -> None:
        ports, _ = schedule.ports_of(plan)
        self.planned = sum(len(mine) for mine in ports.values())
        self.names: list[str] = []
        self.each: dict[str, int] = {}
        for node, _address in hosts:
            mine = sorted(ports.get(node, []), key=lambda port: port.device)
            self.each[node] = len(mine)
            self.names += [port.id.replace("/", " ") for port in mine]

    def name(self, rank: int | None) -> str:
        if rank is None:
            return "a rank"
        return f"rank {rank} ({self.names[rank]})" if rank < len(self.names) else f"rank {rank}"


def locate(path: str | None, operation: str) -> str | None:
    """The program of an operation; None when it is not installed."""
    for folder in [path] if path else list(INSTALLED):
        program = os.path.join(folder, "bin", PROGRAMS[operation])
        if os.access(program, os.X_OK) and os.path.isfile(program):
            return program
    return None


def host_file(hosts: Sequence[tuple[str, str]], each: Mapping[str, int], open_mpi: bool) -> str:
    """One line per node: ``10.77.0.11:8`` (MPICH) or ``10.77.0.11 slots=8`` (Open MPI)."""
    form = "{} slots={}\n" if open_mpi else "{}:{}\n"
    return "".join(form.format(address, each[node]) for node, address in hosts)


def command(options: Options, program: str, file: str, ranks: Ranks, open_mpi: bool) -> list[str]:
    """``mpirun -f hostfile -n 24 .../all_reduce_test -p 8 -b 8192 -e 67108864 -f 2 -d fp32 -o sum``."""
    argv = [options.mpirun, "--hostfile" if open_mpi else "-f", file, "-n", str(len(ranks.names))]
    for name in sorted(options.environment or {}):
        argv += ["-x", name] if open_mpi else ["-genv", name, (options.environment or {})[name]]
    argv += [
        program,
        "-p",
        str(max(ranks.each.values())),
        "-b",
        str(options.first_bytes),
        "-e",
        str(options.last_bytes),
    ]
    argv += ["-f", "2", "-d", "fp32"]
    return [*argv, "-o", "sum"] if program.endswith(PROGRAMS[ALL_REDUCE]) else argv


def run(plan: Any, options: Options, tool: Tool) -> tuple[Document, list[Document]]:
    """``(facts, raw)`` of kind cluster: ``all_reduce`` and ``incast`` of docs/fabric.md section 6, without the counters
    that only the controller can add. What could not run is null, and the notes say why.

    :raises ValueError: the hosts are not those of the plan.
    """
    ranks = Ranks(plan, options.hosts)
    missing = [node for node, count in ranks.each.items() if not count]
    if missing or len(ranks.names) < 2 or len(set(ranks.each.values())) > 1:
        raise ValueError(f"ranks cannot be laid out: {ranks.each or 'no hosts'} NPU ports per node")
    facts: Document = {"notes": []}
    raw: list[Document] = []
    told = tool.short([*_shell(options), options.mpirun, "--version"])
    open_mpi = bool(re.search(r"open[ -]?(mpi|rte)", told.text, re.IGNORECASE))
    tool.environment.update(options.environment or {})
    tool.environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    handle, file = tempfile.mkstemp(prefix="npuforge-hosts-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(host_file(options.hosts, ranks.each, open_mpi))
        for operation in options.operations:
            key = ALL_REDUCE if operation == ALL_REDUCE else "incast"
            program = locate(options.path, operation)
            if program is None:
                where = options.path or ", ".join(INSTALLED)
                facts["notes"].append(note(key, f"HCCL Test ({PROGRAMS[operation]}) is not installed in {where}"))
                facts[key] = unseen(operation, ranks.planned)
                continue
            argv = command(options, program, file, ranks, open_mpi)
            answer = tool.once([*_shell(options), *argv], options.seconds)
            facts[key] = judge(operation, answer, ranks, options, facts["notes"])
            raw.append(
                {
                    "name": f"{operation}.txt",
                    "argv": argv,
                    "rc": answer.rc,
                    "seconds": round(answer.seconds, 3),
                    "text": answer.text,
                }
            )
    finally:
        os.unlink(file)
    return facts, raw


def _shell(options: Options) -> list[str]:
    """Words by which ``/bin/bash`` (the tool) reads CANN's environment first, and then becomes the command."""
    script = options.environment_script
    if script is None:
        script = next((name for name in ENVIRONMENTS if os.path.isfile(name)), "")
    begin = 'if [ -n "$0" ]; then . "$0" >/dev/null 2>&1; fi; exec "$@"'
    return ["-c", begin, script]


def unseen(operation: str, planned: int) -> Document:
    """The facts of an operation that did not run."""
    if operation == ALL_REDUCE:
        empty = {"rows": None, "bus_gbytes_per_s": None, "failed_ranks": None}
        return {"ranks": None, "planned_ranks": planned, **empty}
    return {"operation": operation, "failed_ranks": None, **dict.fromkeys(COUNTED)}


COUNTED = ("pfc_frames", "dropped_packets", "retransmitted_packets", "pfc_acted")


def judge(operation: str, answer: Answer, ranks: Ranks, options: Options, notes: list[Document]) -> Document:
    """The facts of one run. ``notes`` gets what explains a null."""
    key = ALL_REDUCE if operation == ALL_REDUCE else "incast"
    if answer.rc in (126, 127):
        notes.append(note(key, f"{options.mpirun} cannot be run: {last_words(answer)}"))
        return unseen(operation, ranks.planned)
    output = collective_parse.parse(answer.text)
    failed = failures(output, answer, ranks, options, operation)
    for row in output.rows:
        # An all-to-all moves whole groups of elements, so its bandwidth is not that of the bytes asked for; only its
        # verdicts and the counters around it are used.
        if row.problem and key == ALL_REDUCE:
            notes.append(note(key, row.problem))
    if operation != ALL_REDUCE:
        return {"operation": operation, "failed_ranks": failed, **dict.fromkeys(COUNTED)}
    count = output.rank_size if output.rank_size is not None else len(ranks.names)
    through = answer.rc == 0 and bool(output.rows)
    rows = [
        {
            "bytes": row.bytes,
            "microseconds": row.microseconds,
            "algorithm_gbytes_per_s": row.gbytes_per_s,
            "bus_gbytes_per_s": _bus(row, count),
            "result": row.result,
        }
        for row in output.rows
    ]
    last = next((row for row in output.rows if row.bytes == options.last_bytes), None)
    if through and last is None:
        notes.append(note("all_reduce", f"there is no row of {options.last_bytes} bytes"))
    if through and any(row.result is None for row in output.rows):
        notes.append(note("all_reduce", "some results were not checked (NULL)"))
    return {
        "ranks": count if through else None,
        "planned_ranks": ranks.planned,
        "rows": rows,
        "bus_gbytes_per_s": _bus(last, count) if last is not None and through else None,
        "failed_ranks": failed,
    }


def _bus(row: collective_parse.Row, ranks: int) -> float | None:
    if row.gbytes_per_s is None or ranks < 2:
        return None
    return round(collective_parse.all_reduce_bus(row.gbytes_per_s, ranks), 4)


def failures(
    output: collective_parse.Output, answer: Answer, ranks: Ranks, options: Options, operation: str
) -> list[str]:
    """Every way in which a run can fail, in words; the failing ranks first. Empty: it ran through and was right."""
    found = []
    for failure in output.failures:
        size = f" at {failure.bytes} bytes" if failure.bytes else ""
        detail = "" if failure.bytes else f": {failure.line}"
        found.append(f"{ranks.name(failure.rank)}: check failed{size}{detail}")
    found += [f"the root rank's check failed at {row.bytes} bytes" for row in output.rows if row.result == "failed"]
    if answer.rc is None:
        found.append(f"{operation} did not end within {options.seconds:g} s")
    elif answer.rc != 0:
        found.append(f"mpirun of {operation} failed: {last_words(answer)}")
    elif not output.rows:
        found.append(f"{operation} printed no result: {last_words(answer)}")
    if output.rank_size is not None and output.rank_size != len(ranks.names):
        found.append(f"{output.rank_size} ranks ran, {len(ranks.names)} were asked for")
    found = list(dict.fromkeys(found))
    return found if len(found) <= 40 else [*found[:40], f"and {len(found) - 40} more"]


def environment_of(plan: Any) -> dict[str, str]:
    """The plan's HCCL environment, names and values as text."""
    given = as_dict(as_dict(plan).get("hccl_environment"))
    return {str(name): str(value) for name, value in given.items() if isinstance(value, (str, int, float))}
