"""``ascend-dmi``, the device tool of the vendor's toolbox: its command line, as far as it reads and measures.

Followed are the vendor's user guide (MindCluster ToolBox 6.0 to 26.1: options, help, version line, diagnosis) and
public captures and parsers of its output, which ``dmi_bandwidth``, ``dmi_diagnosis`` and ``dmi_info`` name. Known is
also that a run with ``--fmt json`` that fails prints ``{"error": {"code": 2, "description": "internal error"}}`` and
ends with exit status 0. Assumptions: the words and the exit status (1) of a wrong command line, that other failures
have that status too (their sentence is the guide's), and that the tool takes no answer where nobody can type one:
without ``-q`` the twin asks its question and ends. ``-c``, ``-f``, ``-p``, ``--sq``, ``--pc`` and ``-r`` are not
simulated and say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab import chips
from lab.npu import dmi_bandwidth, dmi_diagnosis, dmi_info
from lab.npu.call import Call
from lab.npu.dmi_options import Options, Refused, parse

VERSION = "6.0.0"
REFUSED = 1
NOT_HERE = ("-c", "-f", "-p", "--sq", "--pc", "-r")
HELP = """\
Usage: ascend-dmi <option> [args]

Options:
  -v, --version                     Displays the tool version information.
  -i, --info                        Displays the real-time status of the device.
  -c, --compatible                  Checks software and hardware version compatibility.
  --bw, --bandwidth                 Performs a bandwidth test, -bw is supported, but it is
                                    recommended to use --bw.
  -f, --flops                       Computing power test.
  -p, --power                       Power consumption test.
  --dg, --diagnosis                 Fault diagnosis, -dg is supported, but it is
                                    recommended to use --dg.
  --sq, --signal-quality            Displays hccs, pcie and roce signal quality. -sq is
                                    supported, but it is recommended to use --sq.
  --pc, --prbs-check                PRBS(Pseudo-Random Binary Sequences) test on device
                                    RoCE port. -pc is supported, but it is recommended
                                    to use --pc.
  -r, --reset                       Performs in-band hot reset and restore voltage on NPU
                                    device.

Run 'ascend-dmi <option> <--help|-h>' for more information.
"""
QUESTION = (
    "This test will affect the business on this server. To ensure the correctness and accuracy of the test, "
    "perform the operation separately.Do you want to continue?(Y/N)"
)
NO_DEVICE = "Failed to initialize the device. Check the environment configuration dependency."
ERROR = {"error": {"code": 2, "description": "internal error"}}
USAGE = {
    "-i": "Usage: ascend-dmi -i [-b | --dt] [--fmt normal|json]\n",
    "-v": "Usage: ascend-dmi -v [--fmt normal|json]\n",
    "--bw": "Usage: ascend-dmi --bw [-t h2d|d2h|d2d|p2p] [-d ID] [-s BYTES] [--et TIMES] [--ds ID --dd ID] "
    "[-m device|card] [--fmt normal|json] [-q]\n",
    "--dg": "Usage: ascend-dmi --dg [-i ITEM,...] [-d ID,...] [--fmt normal|json] [-q]\n",
}


def run(call: Call) -> int:
    """One call of ascend-dmi; its exit status. Gone: it was killed."""
    try:
        options = parse(call.argv)
        if options.command is None:
            call.say(HELP)
            return 0
        if options.help:
            call.say(USAGE.get(options.command, HELP))
            return 0
        return _command(call, options)
    except Refused as problem:
        call.say(f"{problem}\n{HELP}")
        return REFUSED


def _command(call: Call, options: Options) -> int:
    document = call.world.read(call.node)
    if options.command == "-v":
        line = f"ascend-dmi version: {VERSION}"
        call.say(_json({"version": VERSION}) if options.json else line + "\n")
        return 0
    if options.command in NOT_HERE:
        call.say(f"ascend-dmi {options.command}: the twin does not simulate this test\n")
        return REFUSED
    cards = dict(enumerate(_present(document)))
    if not chips.driver_loaded(document) or not cards:
        return _fail(call, options, NO_DEVICE)
    if options.command == "-i":
        call.say(dmi_info.text(document, cards, options))
        return 0
    disturbing = options.command == "--bw" or dmi_diagnosis.disturbs(options)
    if disturbing and not options.quiet:
        call.say(QUESTION + "\n")
        return REFUSED
    if document["npu_tools"]["dmi_error"]:
        return _fail(call, options, ERROR["error"]["description"])
    if options.command == "--dg":
        call.wait(dmi_diagnosis.SECONDS)
        call.say(dmi_diagnosis.text(document, cards, options))
        return 0
    closed = [number for number in dmi_bandwidth.touched(cards, options) if not chips.usable(cards[number])]
    if closed:
        return _fail(call, options, NO_DEVICE)
    for part in dmi_bandwidth.parts(document, cards, options):
        call.wait(part.takes)
        call.say(part.text)
    return 0


def _present(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What the driver sees; a logic id is the place among them, as in ``npu-smi info -m``."""
    return [npu for npu in document["npus"] if npu["present"]]


def _fail(call: Call, options: Options, sentence: object) -> int:
    """As JSON every failure looks the same and is no failure to the shell."""
    if options.json and not dmi_bandwidth.is_matrix(options):
        call.say(_json(ERROR))
        return 0
    call.say(f"{sentence}\n")
    return REFUSED


def _json(document: object) -> str:
    return json.dumps(document, indent=4) + "\n"
