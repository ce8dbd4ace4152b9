"""HCCL Test (``all_reduce_test`` and its kin): how ranks find each other, and what they print.

Source: hccl_test_common.cc and hccl_opbase_rootinfo_base.cc as published with oam-tools. Faithfully kept: only the root
rank prints rows, its verdict stands in them, and another rank's failure is a line of its own; **the exit status is 0
even when an operation failed**, because main() overwrites it; the error log goes to files unless
ASCEND_SLOG_PRINT_TO_STDOUT is 1. Two spellings, by the driver's version: up to 24 that of the guide's sample
(``avg_time``, numbers in GiB/s), from 25 on that of the source (``aveg_time``, GB/s).

Links are set up before the first row, and a rank that cannot reach its peer waits for HCCL_CONNECT_TIMEOUT; here at
most ``LONGEST_WAIT`` seconds pass. Assumptions: HCCL itself does not compare HCCL_RDMA_TC or SL between ranks; each
rank's packets go where its own values send them. Line numbers in messages are near those of the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lab.fabric import Fabric
from lab.npu import collective_arguments, collective_log, collective_time
from lab.npu.call import Call
from lab.npu.collective_arguments import Arguments, Ends
from lab.npu.ranks import Member, Pair
from lab.npu.smi_table import number, present, release
from lab.wires import Endpoint, npu_of

OPERATIONS: Mapping[str, str] = {  # program -> how its source file is called
    **{"all_gather": "allgather", "all_gatherv": "allgatherv", "all_reduce": "allreduce", "alltoall": "alltoall"},
    **{"alltoallv": "alltoallv", "alltoallvc": "alltoallvc", "broadcast": "brocast", "reduce": "reduce"},
    **{"reduce_scatter": "reducescatter", "reduce_scatterv": "reducescatterv", "scatter": "scatter"},
}
LONGEST_WAIT, LONGEST_ROW = 2.0, 0.05
E_PARA, E_TIMEOUT = 1, 9
REFUSED = 255
GIB = float(1 << 30)
COMMON = "./common/src/hccl_test_common.cc:538"
LOGS = "hccl_op_base execute failed, Detailed logs are stored at the default path: /root/ascend/log/\n"
NO_OPERATION = "Warning: The -o,--op <sum/prod/min/max> option does not take effect. Check the cmd parameter.\n"
OVERFLOW = "Warning: The calculation result overflows, No verification is performed.\n"
SOURCE_HEADER = f"{'data_size(Bytes):':<15} | {'aveg_time(us):':<12} | {'alg_bandwidth(GB/s):':<18} | check_result:\n"
DOCUMENTED_HEADER = "data_size(Bytes): |   avg_time(us): | alg_bandwidth(GB/s): | check_result:\n"


class Measured(NamedTuple):
    """One row: ``size`` as asked for, ``moved`` bytes, and how long one call took."""

    size: int
    moved: int
    microseconds: float


def run(call: Call, name: str, argv: Sequence[str], members: Sequence[Member], labels: bool = False) -> int:
    """One test over all ranks; the launcher's exit status. ``labels``: each line begins with its rank."""
    return _Test(call, name, members, labels).run(argv)


class _Test:
    def __init__(self, call: Call, name: str, members: Sequence[Member], labels: bool) -> None:
        self.call = call
        self.name = name
        self.members = members
        self.labels = labels
        self.size = len(members)
        self.fabric = Fabric.of(call.world)
        self.documented = release(str(call.world.read(call.node)["npu_tools"]["version"])) < (25, 0)

    def run(self, argv: Sequence[str]) -> int:
        try:
            arguments = collective_arguments.parse(self.name, argv)
        except Ends as end:
            for member in self.members:
                self._say(member, end.text)
            return end.rc
        gone = self._check(arguments)
        if len(gone) == self.size:
            return REFUSED
        root = self.members[min(arguments.root, self.size - 1)]
        if root not in gone:
            self._say(
                root,
                f"the minbytes is {arguments.first}, maxbytes is {arguments.last}, iters is {arguments.iterations}, "
                f"warmup_iters is {arguments.warmup}\n",
            )
        if gone:
            self._incomplete(gone)
            return REFUSED
        ends = self._devices(arguments)
        if len(set(ends.values())) < self.size:  # two ranks on one device
            for member in self.members:
                self._interface(member, COMMON, E_PARA)
        else:
            self._operate(arguments, root, ends)
        return 0

    def _check(self, arguments: Arguments) -> list[Member]:
        """The ranks that refuse to run, having said why."""
        gone = []
        for member in self.members:
            devices = len(present(self.fabric.nodes[member.node]))
            try:
                collective_arguments.check(arguments, self.size, devices)
            except Ends as end:
                self._say(member, end.text)
                gone.append(member)
        return gone

    def _devices(self, arguments: Arguments) -> dict[Member, Endpoint]:
        """The NPU of each rank: its number among the node's, or among HCCL_TEST_USE_DEVS."""
        found = {}
        for member in self.members:
            slots = {number(npu): str(npu["slot"]) for npu in present(self.fabric.nodes[member.node])}
            given = member.environment.get("HCCL_TEST_USE_DEVS", "").split(",")
            use = sorted(int(text) for text in given if text.isascii() and text.isdigit())
            use = [device for device in use if device in slots] or list(slots)[: arguments.npus]
            found[member] = (member.node, slots[use[member.rank % len(use)]])
        return found

    # --- trouble -----------------------------------------------------------------------------------------------------

    def _incomplete(self, gone: Sequence[Member]) -> None:
        """Some ranks ended; the others wait for them at the root's socket."""
        rest = [member for member in self.members if member not in gone]
        self._wait()
        for member in rest:
            if member.logs:
                for text in collective_log.incomplete(f"{self.name}_test", member, gone):
                    self._say(member, text)
            self._interface(member, COMMON, E_TIMEOUT)

    def _unlinked(self, broken: Sequence[Pair], ends: Mapping[Member, Endpoint]) -> None:
        """Links that do not come up: both of their ends time out, and then everybody does."""
        self._wait()
        for source, target in broken:
            for own, peer in ((source, target), (target, source)):
                if own.logs:
                    sides = self._side(own, ends), self._side(peer, ends)
                    for text in collective_log.unlinked(f"{self.name}_test", *sides, client=own is source):
                        self._say(own, text)
        for member in self.members:
            self._interface(member, f"./opbase_test/hccl_{OPERATIONS[self.name]}_rootinfo_test.cc:150", E_TIMEOUT)
            self._say(member, LOGS)

    def _side(self, member: Member, ends: Mapping[Member, Endpoint]) -> collective_log.Side:
        node, conf = self.fabric.nodes[member.node], self.fabric.conf(ends[member])
        npu = npu_of(node, ends[member][1])
        device = number(npu) if npu else 0
        return collective_log.Side(
            member, str(node["address"]), device, str(conf["address"] or "unset"), bool(conf["tls_enable"])
        )

    def _wait(self) -> None:
        self.call.wait(min(LONGEST_WAIT, *(member.value("HCCL_CONNECT_TIMEOUT") for member in self.members)))

    # --- rows --------------------------------------------------------------------------------------------------------

    def _operate(self, arguments: Arguments, root: Member, ends: Mapping[Member, Endpoint]) -> None:
        """Set the links up, then one row for each size."""
        run = self.call.runtime.benches.run()
        links = collective_time.pairs(self.name, ends)
        paths = {(a, b): self.fabric.path(ends[a], ends[b], a.value("HCCL_RDMA_TC"), run) for a, b in links}
        broken = [pair for pair, path in paths.items() if not (path.connected and path.tls_equal)]
        if broken:
            self._unlinked(broken, ends)
            return
        rates = {pair: collective_time.rate(path, pair[0].value("HCCL_RDMA_SL")) for pair, path in paths.items()}
        if arguments.operation_given and self.name not in collective_arguments.REDUCING:
            self._say(root, NO_OPERATION)
        exact = arguments.check > 0 and arguments.checkable(self.size)
        if arguments.check > 0 and not exact:
            self._say(root, OVERFLOW)
        wrong = self._wrong(ends) if exact else []
        rounds = arguments.warmup + arguments.iterations
        header = SOURCE_HEADER if not self.documented else DOCUMENTED_HEADER
        for size in arguments.sizes():
            moved = arguments.moved(size, self.size)
            shape = collective_time.shape(self.name, self.members, links, moved)
            seconds = shape.seconds(rates, self.name, size, run)
            self.call.wait(min(seconds * max(1, rounds), LONGEST_ROW))
            collective_time.count(self.call.world, shape, ends, rounds + exact, run)
            row = Measured(size, moved, round(seconds * 1e6, 2) if arguments.iterations else 0.0)
            for member in wrong:
                self._failure(arguments, member, row)
            result = "NULL" if not exact else "failed" if root in wrong else "success"
            self._say(root, f"{header}{self._form(row)} | {result}\n")
            header = ""

    def _wrong(self, ends: Mapping[Member, Endpoint]) -> list[Member]:
        """The ranks whose NPU computes wrongly."""
        return [
            member
            for member, (node, slot) in ends.items()
            if slot in self.fabric.nodes[node]["npu_tools"]["failing_ranks"]
        ]

    def _failure(self, arguments: Arguments, member: Member, row: Measured) -> None:
        if arguments.check > 1:
            right = 2 * self.size
            self._say(member, f"check buf[0] error, exp:{right:f}, act:{right - 2:f} \n")
        self._say(member, f"total err is {row.moved // collective_arguments.TYPE_BYTES[arguments.type]}\n")
        self._say(member, f"local rank_id {member.rank}, check result failed, {self._form(row)} | failed\n")

    def _form(self, row: Measured) -> str:
        rate = row.moved / row.microseconds * 1e6 if row.microseconds else float("inf")
        if self.documented:
            return f"{row.size:<17} | {row.microseconds:>10.2f}    | {rate / GIB:>13.5f}       "
        return f"{row.size:<17} | {row.microseconds:<14.2f} | {rate / 1e9:<20.5f}"

    # --- words -------------------------------------------------------------------------------------------------------

    def _interface(self, member: Member, where: str, code: int) -> None:
        self._say(member, f"hccl interface return err {where}, retcode: {code} \n")

    def _say(self, member: Member, text: str) -> None:
        if self.labels:
            text = "".join(f"[{member.rank}] {line}" for line in text.splitlines(keepends=True))
        self.call.say(text)
