"""``hccn_tool``: its command line, who may use it when, and how it ends.

Followed is the program's own source as published with the driver (cmd.c, tool_ops_ip.c, tool_ext.c, ...) and the public
captures that each command names. One call at a time on a node; a running ``-roce_test`` lets others in once its test is
started in the device (an assumption: otherwise two tests on one node could never run side by side, which they do).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.npu import failure, hccn_set, hccn_show, layout, perftest, ping
from lab.npu.call import Call
from lab.npu.failure import Failure

Document = Mapping[str, Any]
MOST_WORDS, LONGEST_WORD = 63, 900
RECOVERY_HINT = "Recovery failed. Check '/var/log/hccn_tool/hccn_config.log' for details.\n"


def run(call: Call) -> int:
    """The tool's exit status."""
    release = _enter(call)
    if release is None:
        return _fail(call, failure.BUSY)
    call.after.append(release)
    try:
        return _dispatch(call, call.argv, release)
    except Failure as problem:
        return _fail(call, problem.kind)


def _enter(call: Call) -> Callable[[], None] | None:
    """Become the tool's user; None: somebody else is, or the device is said to be busy."""
    busy = call.world.read(call.node)["npu_tools"]["busy"]
    if busy:
        if busy is not True:
            with call.world.update(call.node) as node:
                left = int(node["npu_tools"]["busy"] or 0)
                node["npu_tools"]["busy"] = left - 1 if left > 1 else False
        return None
    return call.runtime.take(call.node)


def _dispatch(call: Call, words: Sequence[str], release: Callable[[], None]) -> int:
    if words in (["-h"], ["--help"]):
        call.say("".join(f"hccn_tool -i devid {name}\n" for name in COMMANDS) + "hccn_tool -a -cfg recovery\n")
        return 0
    if not words or len(words) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in words):
        raise Failure(failure.FEW_WORDS)
    if words[0] == "-a":
        if words[1:2] != ["-cfg"]:
            raise Failure(failure.NO_COMMAND)
        return _recover_all(call, words[2:])
    if words[0] != "-i":
        raise Failure(failure.NO_MAJOR)
    name = words[2] if len(words) > 2 else ""
    if name not in COMMANDS:
        raise Failure(failure.NO_COMMAND)
    device = _device(call, words[1])
    rest = list(words[3:])
    try:
        COMMANDS[name](call, device, rest, release)
    except Failure as problem:
        if name == "-cfg" and problem.kind.number & 0xF000 not in (failure.MAJOR, failure.PARAM):
            _end(call, problem.kind)
            call.say(RECOVERY_HINT)
            return problem.kind.number & 0xFF
        if problem.kind.help:
            _end(call, problem.kind)
            call.say(f"[ hccn_tool -i devid {name} ] needs the following parameters:\n{HELP.get(name, GET)}\n")
            return problem.kind.number & 0xFF
        raise
    if _writes(name, rest):
        call.say("Cmd executed successfully!\n")
    return 0


def _fail(call: Call, kind: failure.Kind) -> int:
    _end(call, kind)
    return kind.number & 0xFF


def _end(call: Call, kind: failure.Kind) -> None:
    text = kind.text + "\n"
    if kind.number & 0xF000 == failure.MAJOR and kind is not failure.NO_DEVICE:
        text += "Enter [ hccn_tool -h ] for more details.\n"
    (call.say if kind.info else call.complain)(text)


def _writes(name: str, rest: Sequence[str]) -> bool:
    """Whether the tool says that it did something; it counts tests among the questions, except their reset."""
    if name == "-roce_test":
        return list(rest[:1]) == ["reset"]
    return "-g" not in rest and list(rest) != ["status"]


def _device(call: Call, text: str) -> int:
    """The physical id of an NPU that is there."""
    node = call.world.read(call.node)
    if len(text) > 2 or not text.isdigit() or int(text) not in present(node):
        raise Failure(failure.NO_DEVICE)
    return int(text)


def present(node: Document) -> list[int]:
    """The ids of the NPUs that the driver sees."""
    return [int(npu["slot"].removeprefix("NPU")) - 1 for npu in node["npus"] if npu["present"]]


def _recover_all(call: Call, rest: Sequence[str]) -> int:
    """``-a -cfg recovery``: what runs when the host boots."""
    try:
        if rest[:1] != ["recovery"]:
            raise Failure(failure.NO_OPTION)
        if len(rest) > 1:
            raise Failure(failure.COUNT)
        failed = False
        for device in present(call.world.read(call.node)):
            try:
                hccn_set.recover(call, device)
            except Failure as problem:
                if problem.kind is failure.NO_CONF_FILE:
                    raise
                call.complain(f"dev:{device} recovery fail\n")
                failed = True
            else:
                call.say(f"dev:{device} recovery success\n")
        if failed:
            raise Failure(failure.EXECUTE)
    except Failure as problem:
        _end(call, problem.kind)
        if problem.kind.number & 0xF000 not in (failure.MAJOR, failure.PARAM):
            call.say(RECOVERY_HINT)
        return problem.kind.number & 0xFF
    call.say("Cmd executed successfully!\n")
    return 0


# --- commands --------------------------------------------------------------------------------------------------------

Command = Callable[[Call, int, list[str], Callable[[], None]], None]
GET = "   [-g]        : get"
HELP = {
    "-ip": "   [-s]        : set ip cfg\n       address %s : IPv4 address\n       netmask %s : IPv4 netmask\n" + GET,
    "-gateway": "   [-s]        : set gateway cfg\n       gateway %s : IPv4 gateway\n" + GET,
    "-netdetect": "   [-s]        : set net detect cfg\n       address %s : IPv4 address\n" + GET,
    "-mtu": "   [-s]        : set mtu cfg\n       size %d : ETH from 68 to 9702\n" + GET,
    "-pfc": "   [-s]        : set pfc cfg\n       bitmap %s : such as 0,0,0,0,1,0,0,0\n" + GET,
    "-dscp_to_tc": "   [-s]        : set the map\n       dscp %u : [0 ~ 63]\n       tc   %u : [0 ~ 3]\n" + GET,
    "-udp": "   [-s]        : set roce port\n       port %d : range [4097 ~ 65535]\n       auto\n" + GET,
    "-tls": "   [-s]        : set tls cfg\n       enable %d : 0: disable, 1: enable\n" + GET,
    "-link": "   [-s]        : set the link\n       down\n       up\n" + GET,
    "-cfg": "   recovery    : recovery cfg\n   status      : config status",
    "-ping": GET + "\n       address %s : IPv4 address\n       pkt %d     : data length, [0 ~ 65507]",
    "-roce_test": "        " + "\n        ".join([*perftest.KINDS, "reset"]),
}


def _shows(show: Callable[[Call, int], str]) -> Command:
    """A command that only answers ``-g``."""

    def command(call: Call, device: int, rest: list[str], release: Callable[[], None]) -> None:
        if len(rest) != 1:
            raise Failure(failure.COUNT)
        if rest != ["-g"]:
            raise Failure(failure.NO_OPTION)
        call.say(layout.dress(call, show(call, device)))

    return command


def _both(show: Callable[[Call, int], str], change: Callable[[Call, int, list[str]], None], option: str) -> Command:
    """A command that answers ``-g`` and changes something with another option."""
    shows = _shows(show)

    def command(call: Call, device: int, rest: list[str], release: Callable[[], None]) -> None:
        if not rest:
            raise Failure(failure.COUNT)
        if rest[0] == option:
            change(call, device, rest[1:])
        else:
            shows(call, device, rest, release)

    return command


def _dscp(call: Call, device: int, rest: list[str], release: Callable[[], None]) -> None:
    if rest[:2] == ["-g", "dscp"] and len(rest) == 3:
        dscp = hccn_set.small(rest[2], 63, failure.DSCP_RANGE)
        call.say(layout.dress(call, hccn_show.dscp_to_tc(call, device, [dscp])))
    else:
        _both(hccn_show.dscp_to_tc, hccn_set.dscp_to_tc, "-s")(call, device, rest, release)


def _cfg(call: Call, device: int, rest: list[str], release: Callable[[], None]) -> None:
    if len(rest) != 1:
        raise Failure(failure.COUNT)
    if rest == ["recovery"]:
        hccn_set.recover(call, device)
    elif rest == ["status"]:
        call.say(layout.dress(call, hccn_show.cfg_status(call, device)))
    else:
        raise Failure(failure.NO_OPTION)


def _ping(call: Call, device: int, rest: list[str], release: Callable[[], None]) -> None:
    ping.execute(call, hccn_show.end(call, device), device, rest)


def _roce_test(call: Call, device: int, rest: list[str], release: Callable[[], None]) -> None:
    if not rest:
        raise Failure(failure.COUNT)
    perftest.execute(call, hccn_show.end(call, device), rest, release)


COMMANDS: Mapping[str, Command] = {
    "-ip": _both(hccn_show.ip, hccn_set.ip, "-s"),
    "-gateway": _both(hccn_show.gateway, hccn_set.gateway, "-s"),
    "-netdetect": _both(hccn_show.netdetect, hccn_set.netdetect, "-s"),
    "-lldp": _shows(hccn_show.lldp),
    "-local_lldp": _shows(hccn_show.local_lldp),
    "-mac": _shows(hccn_show.mac),
    "-cfg": _cfg,
    "-link": _both(hccn_show.link, hccn_set.link, "-s"),
    "-link_stat": _both(hccn_show.link_stat, hccn_set.clear_link_stat, "-c"),
    "-dscp_to_tc": _dscp,
    "-mtu": _both(hccn_show.mtu, hccn_set.mtu, "-s"),
    "-net_health": _shows(hccn_show.net_health),
    "-route": _shows(hccn_show.route),
    "-optical": _shows(hccn_show.optical),
    "-stat": _both(hccn_show.stat, hccn_set.clear_stat, "-c"),
    "-tls": _both(hccn_show.tls, hccn_set.tls, "-s"),
    "-version": _shows(hccn_show.version),
    "-udp": _both(hccn_show.udp, hccn_set.udp, "-s"),
    "-status": _shows(hccn_show.status),
    "-speed": _shows(hccn_show.speed),
    "-duplex": _shows(hccn_show.duplex),
    "-fec": _shows(hccn_show.fec),
    "-pfc": _both(hccn_show.pfc, hccn_set.pfc, "-s"),
    "-ping": _ping,
    "-roce_test": _roce_test,
}
