"""``hccn_tool -roce_test``: two NPUs send to each other; what their tools print follows from the physics of the path.

Captures: ib_send_bw over 200GE, sender and receiver (a public RoCE test note); words and order of the status lines: the
source of hccn_tool (tool_ext.c). The test runs *in the device*: a tool that is killed leaves it there, and the next one
is told that a test is doing, until ``-roce_test reset``. Data takes its real time, but at most ``LONGEST_SECONDS``.
Known are the bandwidth tests with the options below; the others (latency, all sizes, two ways) are refused.
"""

from __future__ import annotations

import itertools
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.fabric import Fabric, Path, traffic
from lab.npu import failure, layout
from lab.npu.call import Call
from lab.npu.failure import Failure
from lab.wires import Endpoint, label, spread

KINDS = {"ib_send_bw": "Send", "ib_write_bw": "RDMA_Write", "ib_read_bw": "RDMA_Read"}
FREE, DOING, BROKEN = 1, 2, 3  # what the device says of itself
DEFAULT_BYTES, DEFAULT_ITERATIONS, DEFAULT_PORT = 65536, 5000, 18515
CONNECT_SECONDS, SHORTEST_SECONDS, LONGEST_SECONDS, POLL_SECONDS = 0.3, 0.1, 2.0, 1.0
PATIENCE_SECONDS = 1600.0  # the tool asks so many times, once a second, then it stops the test
MIB = 1 << 20
RULE = "-" * 116
# option -> lowest and highest value; None: a flag
OPTIONS: Mapping[str, tuple[int, int] | None] = {
    **{"-s": (1, 874736000), "-n": (5, 20000), "-tclass": (0, 255), "-p": (0, 65535), "-q": (1, 100)},
    **{"-t": (1, 15000), "-u": (0, 255), "-x": (0, 5), "-S": (0, 7), "-ib": (1, 1)},
    **dict.fromkeys(("-tcp", "-report_gbits")),
}


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for. ``address`` None: this is the receiver."""

    kind: str
    address: str | None
    size: int
    iterations: int
    tclass: int
    port: int
    qps: int
    depth: int
    gid: int
    gbits: bool


@dataclass
class Test:
    """One test in a device. ``hangs``: it never ends by itself."""

    wanted: Wanted
    hangs: bool = False
    partner: bool = False  # somebody has connected
    report: str = ""
    broken: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, report: str, broken: bool = False) -> None:
        self.report, self.broken = report, broken
        self.ended.set()


class Benches:
    """The tests in all devices: at most one as receiver and one as sender in each."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tests: dict[tuple[Endpoint, bool], Test] = {}
        self._runs = itertools.count()

    def begin(self, end: Endpoint, test: Test) -> bool:
        """Put a test into a device; False: one is there."""
        key = (end, test.wanted.address is not None)
        with self._guard:
            other = self._tests.get(key)
            if other is not None and not other.ended.is_set():
                return False
            self._tests[key] = test
            return True

    def connect(self, end: Endpoint, kind: str) -> Test | None:
        """The receiver that waits in a device for a test of this kind; it is taken."""
        with self._guard:
            test = self._tests.get((end, False))
            if test is None or test.ended.is_set() or test.partner or test.wanted.kind != kind:
                return None
            test.partner = True
            return test

    def reset(self, end: Endpoint) -> None:
        """Kill the tests of one device; tools that still wait for them are told."""
        self._kill(lambda other: other == end)

    def drop(self, node: str) -> None:
        """A node has lost power or booted."""
        self._kill(lambda other: other[0] == node)

    def run(self) -> int:
        return next(self._runs)

    def _kill(self, chosen: Callable[[Endpoint], bool]) -> None:
        with self._guard:
            for key in [key for key in self._tests if chosen(key[0])]:
                self._tests.pop(key).end("", broken=True)


def execute(call: Call, end: Endpoint, words: Sequence[str], release: Callable[[], None]) -> None:
    """One ``-roce_test``. ``release`` lets others use the tool: only the start of a test excludes them."""
    benches = call.runtime.benches
    if words[:1] == ["reset"]:
        if len(words) > 1:
            raise Failure(failure.FEW_WORDS)
        benches.reset(end)
        return
    wanted = parse(call, words)
    test = Test(wanted, hangs=_hangs(call, end, wanted))
    if not benches.begin(end, test):
        call.say(_status(DOING))
        call.complain("Roce perftest is doing, please try later.\n")
        raise Failure(failure.PERFTEST_RUNS)
    call.say(_status(FREE) + "Dsmi start roce perftest end. (out=1)\n")
    release()
    if wanted.address is None:
        _receive(call, test)
    else:
        _send(call, end, test)


def parse(call: Call, words: Sequence[str]) -> Wanted:
    """The command line; Failure when the tool refuses it."""
    if not words or words[0] not in KINDS:
        raise Failure(failure.NO_OPTION)
    values: dict[str, int] = {}
    flags: set[str] = set()
    address, rest = None, list(words[1:])
    while rest:
        option = rest.pop(0)
        if option == "address" and rest:
            address = rest.pop(0)
        elif option not in OPTIONS:
            raise Failure(failure.NO_OPTION)
        elif (limits := OPTIONS[option]) is None:
            flags.add(option)
        elif rest and rest[0].isdigit() and limits[0] <= int(rest[0]) <= limits[1]:
            values[option] = int(rest.pop(0))
        else:
            raise Failure(failure.INVALID)
    if "-tcp" not in flags:
        call.say('Please add "-tcp"\n')
        raise Failure(failure.NO_TCP)
    return Wanted(
        words[0],
        address,
        values.get("-s", DEFAULT_BYTES),
        values.get("-n", DEFAULT_ITERATIONS),
        values.get("-tclass", 0),  # then the DSCP is 0: nobody's lossless class
        values.get("-p", DEFAULT_PORT),
        values.get("-q", 1),
        values.get("-t", 128),
        values.get("-x", 3),
        "-report_gbits" in flags,
    )


def _hangs(call: Call, end: Endpoint, wanted: Wanted) -> bool:
    return wanted.address is None and end[1] in call.world.read(end[0])["npu_tools"]["receiver_hangs"]


def _receive(call: Call, test: Test) -> None:
    stars = "*" * 36
    call.say(
        f"{_status(DOING)}roce_report:\n new post send flow is not supported, falling back to ibv_post_send\n{RULE}\n\n"
        f"{stars}\n* Waiting for client to connect... *\n{stars}\n{RULE}\n"
    )
    _await(call, test, polls=False)
    call.say(layout.dress(call, test.report))
    if test.broken:
        raise Failure(failure.PERFTEST)


def _send(call: Call, end: Endpoint, test: Test) -> None:
    wanted = test.wanted
    address = str(wanted.address)
    fabric = Fabric.of(call.world)
    there = fabric.reach(end, address)
    peer = call.runtime.benches.connect(there.end, wanted.kind) if there.answers and there.end else None
    if peer is None or there.end is None:
        call.wait(CONNECT_SECONDS)
        failed = f"Couldn't connect to {address}:{wanted.port}\n"
        failed += "Unable to open file descriptor for socket connection Unable to init the socket connection\n"
        test.end(failed, True)
    elif not peer.hangs:
        _transfer(call, fabric, (end, test), (there.end, peer))
    _await(call, test, polls=True)
    text = f"roce_report:\n{layout.dress(call, test.report)}" if test.report else ""
    call.say(_status(BROKEN if test.broken else FREE) + text)
    if test.broken:
        raise Failure(failure.PERFTEST)


def _transfer(call: Call, fabric: Fabric, near: tuple[Endpoint, Test], far: tuple[Endpoint, Test]) -> None:
    """The data goes, is counted, and both reports are written."""
    (here, test), (there, peer) = near, far
    wanted = test.wanted
    a, b = (there, here) if wanted.kind == "ib_read_bw" else (here, there)
    run = call.runtime.benches.run()
    tclass = (peer if a == there else test).wanted.tclass  # each end marks what it sends
    path = fabric.path(a, b, tclass, run)
    agree = (wanted.size, wanted.iterations) == (peer.wanted.size, peer.wanted.iterations)
    rate = path.message_rate(wanted.size)
    if not rate or not agree:
        broken = " Failed to complete run_iter_bw function successfully\n"
        peer.end(broken, True)
        test.end(broken, True)
        return
    total = wanted.size * wanted.iterations
    call.wait(min(max(total / rate, SHORTEST_SECONDS), LONGEST_SECONDS))
    traffic(call.world, [(label(a), label(b))], total, tclass, run)
    first = " new post send flow is not supported, falling back to ibv_post_send\n" + RULE + "\n"
    addresses = tuple(str(fabric.conf(end)["address"]) for end in (here, there))
    peer.end(_report(peer.wanted, path, rate, addresses[::-1], receiver=True))
    test.end(first + _report(wanted, path, rate, addresses, receiver=False))


def _await(call: Call, test: Test, polls: bool) -> None:
    """Wait for the device; with ``polls`` the tool says once a second that the device is doing."""
    started = said = time.monotonic()
    while not test.ended.wait(0.02):
        call.wait(0)
        now = time.monotonic()
        if now - started > PATIENCE_SECONDS:
            test.end("", broken=True)
            raise Failure(failure.TIMEOUT)
        if polls and now - said > POLL_SECONDS:
            said = now
            call.say(_status(DOING))


def _status(number: int) -> str:
    return f"Dsmi get perftest status end. (status={number})\n"


def _report(wanted: Wanted, path: Path, rate: float, addresses: Sequence[str], receiver: bool) -> str:
    """Two ends of one test see nearly the same; the receiver of a *send* has no peak, and an average of its own."""
    own, other = addresses
    average = rate / MIB
    peak = average * (1 + 0.0002 * (1.5 + spread("peak", *sorted(addresses), rate)))
    if receiver and wanted.kind == "ib_send_bw":
        average, peak = average * 1.00124, 0.0
    unit, factor = ("Gb", MIB * 8 / 1e9) if wanted.gbits else ("MB", 1.0)
    depth = "RX depth        : 512" if receiver and wanted.kind == "ib_send_bw" else f"TX depth        : {wanted.depth}"
    row = f" {wanted.size:<13}{wanted.iterations:<19}{peak * factor:<27.2f}{average * factor:<28.2f}"
    head = f" #bytes       #iterations        BW peak[{unit}/sec]            BW average[{unit}/sec]"
    return "\n".join(
        [
            RULE,
            f"                    {KINDS[wanted.kind]} BW Test",
            " Dual-port       : OFF          Device         : hns_0",
            f" Number of qps   : {wanted.qps:<12} Transport type : IB",
            " Connection type : RC           Using SRQ      : OFF",
            f" {depth}",
            " CQ Moderation   : 1",
            f" Mtu             : {path.ib_mtu}[B]",
            " Link type       : Ethernet",
            f" GID index       : {wanted.gid}",
            " Max inline data : 0[B]",
            " rdma_cm QPs     : OFF",
            " Data ex. method : Ethernet",
            RULE,
            *_identity("local", own, other),
            *_identity("remote", other, own),
            RULE,
            f"{head}          MsgRate[Mpps]",
            f"{row}{average * MIB / wanted.size / 1e6:.6f}",
            RULE,
            "",
        ]
    )


def _identity(which: str, own: str, other: str) -> list[str]:
    number = zlib.crc32(f"{own}>{other}".encode())
    octets = ":".join(own.split("."))
    return [
        f" {which} address: LID 0000 QPN 0x{number & 0xFF:04x} PSN 0x{number >> 8:06x}",
        f" GID: 00:00:00:00:00:00:00:00:00:00:255:255:{octets}",
    ]
