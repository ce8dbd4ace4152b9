"""The chassis script of ``ipmi_sim``: hands power and boot requests to the Redfish service's control socket.

Run as a file, not as a module, with ``python -I -S``: it starts for every chassis command and ``ipmi_sim`` answers
nobody while it runs, so it imports little and never waits for a server to boot.

    chassis.py <socket> <node> <mc address> get power|boot
    chassis.py <socket> <node> <mc address> set power 0|1 | set boot none|pxe|default|cdrom|bios | set reset|shutdown 1

``get`` prints ``power:1`` or ``boot:pxe`` (ipmi_sim(1) wants exactly that). Exit code 1 with a line on stderr: refused.
"""

import socket
import sys
from collections.abc import Sequence

GET_SECONDS = 1.0
# A request that was delivered but not answered in this time is under way: a refusal is answered at once, while starting
# a server takes seconds, and a BMC acknowledges first and acts then.
SET_SECONDS = 0.15
TO_CONTROL = {"default": "disk"}  # ipmi_sim's word for the disk
TO_SIMULATOR = {"disk": "default"}


def main(arguments: Sequence[str]) -> int:
    path, node, _, verb, *words = arguments
    try:
        if verb == "get":
            for item in words:
                answer = ask(path, f"{node} get {item}", GET_SECONDS).rpartition(":")[2].strip()
                print(f"{item}:{TO_SIMULATOR.get(answer, answer)}")
            return 0
        for item, value in zip(words[::2], words[1::2], strict=True):
            request = (
                f"{node} {item}" if item in ("reset", "shutdown") else f"{node} set {item} {value_of(item, value)}"
            )
            ask(path, request, SET_SECONDS)
    except (OSError, ValueError) as error:
        print(f"{node}: {verb} {' '.join(words)}: {error}", file=sys.stderr)
        return 1
    return 0


def value_of(item: str, value: str) -> str:
    return TO_CONTROL.get(value, value) if item == "boot" else value


def ask(path: str, request: str, seconds: float) -> str:
    """One line there, one line back. ``""`` when a ``set`` is still being worked on. Raises OSError, ValueError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(seconds)
        channel.connect(path)
        channel.sendall(request.encode() + b"\n")
        answer = b""
        try:
            while not answer.endswith(b"\n") and (part := channel.recv(1024)):
                answer += part
        except TimeoutError:
            if seconds == GET_SECONDS:
                raise
        text = answer.decode("utf-8", "replace").strip()
    if text.lower().startswith("error"):
        raise ValueError(text)
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
