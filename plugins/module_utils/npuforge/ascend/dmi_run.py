"""Runs ``ascend-dmi --bw``: finds it and its environment, gives up in bounded time, falls back to what a version knows.

The guide (toolbox, "Bandwidth Test"): source ``set_env.sh`` of the toolbox first; one process a device at a time;
``-d`` and ``--ds``/``--dd`` take logical ids; ``d2d`` refuses ``-s`` and ``--et`` on A2 and A3; ``p2p`` without
``--ds`` and ``--dd`` measures all pairs and ignores ``-s``, ``--et`` and ``--fmt``: its answer is text, whatever one
asks for.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ..fabric.tool import Answer
from . import dmi_parse
from .texts import Reading

PROGRAM = "ascend-dmi"
# The toolbox, then CANN, whose libraries it calls; what is there is sourced in this order. Places of the guides and of
# published scripts; an installation elsewhere is named by the option.
ENVIRONMENT_FILES = (
    "/usr/local/Ascend/toolbox/set_env.sh",
    "/usr/local/Ascend/cann/set_env.sh",
    "/usr/local/Ascend/ascend-toolkit/set_env.sh",
)
PLACES = ("/usr/local/Ascend/toolbox/latest/Ascend-DMI/bin", "/usr/local/Ascend/toolbox/latest/bin")
DRIVER_LIBRARIES = ("/usr/local/Ascend/driver/lib64", "/usr/local/Ascend/driver/lib64/driver")
HANGS = 2  # calls in a row that gave no answer, after which the next would not either
SAME_FAILURES = 6  # equal failures in a row, after which the fault is not a pair's or a chip's
_REFUSED = re.compile(
    r"(?:unknown|invalid|illegal|unrecogni[sz]ed|unsupported|not\s{1,3}support\w{0,3}|error\s{1,3}parameter)"
    r"[^\n]{0,80}?(?P<option>-{1,2}(?:fmt|format|q|quiet))\b",
    re.IGNORECASE,
)


class Limits(NamedTuple):
    """Seconds for a call, for a call that measures all pairs, and for all calls; bytes and copies of h2d and d2h."""

    call: float = 120.0
    matrix: float = 600.0
    total: float = 1800.0
    size_bytes: int = 536870912  # the most that the guide allows on every product
    iterations: int = 50


class Dmi:
    """``tool``: ``fabric.tool.Tool`` of ascend-dmi, or anything with its ``once``. Keeps every answer."""

    def __init__(self, tool: Any, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.tool = tool
        self.limits = limits
        self.answers: list[Answer] = []
        self.useless: str | None = None  # why no further call makes sense
        self._options = {"-q": ["-q"], "--fmt": ["--fmt", "json"]}
        self._json_known = False  # an answer in JSON was understood: this version has it
        self._clock = clock
        self._deadline = clock() + limits.total
        self._hangs = 0
        self._failures: list[str] = []

    def bandwidth(self, kind: str, device: int) -> Reading:
        """``h2d``, ``d2h`` or ``d2d`` of one chip, as ``dmi_parse.parse_bandwidth`` tells it."""
        words = ["--bw", "-t", kind, "-d", str(device)]
        if kind != dmi_parse.D2D:
            words += ["-s", str(self.limits.size_bytes), "--et", str(self.limits.iterations)]
        return self._ask(words, self.limits.call, lambda text: dmi_parse.parse_bandwidth(text, kind, device))

    def pair(self, source: int, target: int) -> Reading:
        """One pair, as ``dmi_parse.parse_pair`` tells it."""
        words = ["--bw", "-t", "p2p", "--ds", str(source), "--dd", str(target)]
        return self._ask(words, self.limits.call, lambda text: dmi_parse.parse_pair(text, source, target))

    def matrix(self) -> Reading:
        """All pairs in one call, as ``dmi_parse.parse_matrix`` tells them."""
        return self._ask(["--bw", "-t", "p2p"], self.limits.matrix, dmi_parse.parse_matrix, json=False)

    def _ask(self, words: Sequence[str], seconds: float, parse: Callable[[str], Reading], json: bool = True) -> Reading:
        for _ in range(len(self._options) + 1):
            left = self._deadline - self._clock()
            if self.useless is None and left <= 0:
                self.useless = f"the {self.limits.total:.0f} s for the test were used up"
            if self.useless is not None:
                return Reading(None, self.useless)
            answer: Answer = self.tool.once([*words, *self._extra(json)], min(seconds, left))
            self.answers.append(answer)
            reading = self._understood(answer, parse)
            if reading.value is not None:
                self._json_known = self._json_known or (json and bool(self._options["--fmt"]))
                return self._counted(reading)
            if not self._drop(answer) and not (json and self._try_text(answer, reading)):
                return self._counted(reading)
        return self._counted(reading)

    def _extra(self, json: bool) -> list[str]:
        return self._options["-q"] + (self._options["--fmt"] if json else [])

    def _understood(self, answer: Answer, parse: Callable[[str], Reading]) -> Reading:
        if answer.rc == 127:
            self.useless = f"{answer.argv[0]} cannot be run ({answer.text.strip()[:80]}): is the toolbox installed?"
            return Reading(None, self.useless)
        if answer.rc is None:
            self._hangs += 1
            if self._hangs >= HANGS:
                self.useless = f"ascend-dmi gave no answer {self._hangs} times in a row"
            return Reading(None, f"ascend-dmi gave no answer within {answer.seconds:.0f} s")
        self._hangs = 0
        reading = parse(answer.text)
        # Figures of a run that says itself that it failed are none; a failed run may also end with status 0.
        if answer.rc != 0:
            return Reading(None, reading.problem or f"ascend-dmi ended with status {answer.rc}")
        return reading

    def _drop(self, answer: Answer) -> bool:
        """Leave out an option that this version refuses by name; whether there was one."""
        match = _REFUSED.search(answer.text[:4000])
        if match is None:
            return False
        option = "-q" if match.group("option").lstrip("-").lower().startswith("q") else "--fmt"
        had = bool(self._options[option])
        self._options[option] = []
        return had

    def _try_text(self, answer: Answer, reading: Reading) -> bool:
        """Ask once without JSON: an old version may print its usage and not say which option it does not know."""
        unknown = answer.rc is not None and str(reading.problem).startswith("unknown answer")
        if self._json_known or not unknown or not self._options["--fmt"]:
            return False
        self._options["--fmt"] = []
        return True

    def _counted(self, reading: Reading) -> Reading:
        if reading.value is not None:
            self._failures = []
            return reading
        self._failures.append(str(reading.problem))
        if self.useless is None and self._failures[-SAME_FAILURES:] == [str(reading.problem)] * SAME_FAILURES:
            self.useless = f"{SAME_FAILURES} times in a row: {reading.problem}"
        return reading

    def transcript(self) -> dict[str, Any]:
        """One raw record for all calls: what a person would have seen at the prompt."""
        parts = [
            f"$ {' '.join(each.argv)}\n{each.text[:65536]}{'' if each.text.endswith(chr(10)) else chr(10)}"
            for each in self.answers
        ]
        bad = [each.rc for each in self.answers if each.rc != 0]
        return {
            "name": "ascend-dmi.txt",
            "argv": self.answers[0].argv if self.answers else [PROGRAM],
            # 124 is what timeout(1) calls a program that it ended.
            "rc": 0 if not bad else 124 if bad[0] is None else bad[0],
            "seconds": round(sum(each.seconds for each in self.answers), 3),
            "text": "".join(parts)[: 2 << 20],
        }


def environment(
    files: Sequence[str], base: Mapping[str, str], seconds: float = 15.0
) -> tuple[dict[str, str], list[str], str | None]:
    """(variables, files that were sourced, problem): ``base`` as the files that are there change it.

    A file that fails or hangs changes nothing, and the problem names it.
    """
    found = [path for path in files if os.path.isfile(path)]
    variables = dict(base)
    variables["PATH"] = os.pathsep.join([part for part in (variables.get("PATH", ""), *PLACES) if part])
    libraries = [path for path in DRIVER_LIBRARIES if os.path.isdir(path)]
    if libraries:
        variables["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [variables.get("LD_LIBRARY_PATH", ""), *libraries]))
    # The shell's own output is thrown away; the variables come out behind a line that no script prints.
    script = 'for each in "$@"; do . "$each" >/dev/null 2>&1 || echo "$each" >&2; done; printf "\\n\\001\\n"; env -0'
    if not found:
        return variables, [], None
    try:
        shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", script, "bash", *found],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables,
            start_new_session=True,
        )
    except OSError as error:
        return variables, [], f"bash: {error.strerror}"
    try:
        output, errors = shell.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return variables, [], f"{', '.join(found)}: gave no end within {seconds:.0f} s"
    finally:
        # Also what a script left in the background.
        with contextlib.suppress(OSError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()
    marker = output.rfind(b"\n\x01\n")
    failed = [path for path in errors.decode("utf-8", "replace").split("\n") if path in found]
    if marker < 0:
        return variables, [], f"{', '.join(found)}: the shell ended in it"
    changed = {}
    for part in output[marker + 3 :].split(b"\0"):
        name, separator, value = part.decode("utf-8", "surrogateescape").partition("=")
        if separator and re.match(r"^[A-Za-z_][A-Za-z0-9_]*$", name):
            changed[name] = value
    problem = f"{', '.join(failed)}: ended with an error" if failed else None
    return changed or variables, found, problem


def exporters(proc: str = "/proc") -> list[str]:
    """Names of running programs that read the chips all the time; the guide asks to stop them for the test."""
    found = set()
    for name in os.listdir(proc):
        if name.isdigit():
            with contextlib.suppress(OSError), open(os.path.join(proc, name, "comm"), encoding="utf-8") as stream:
                comm = stream.read(64).strip()
                if comm == "npu-exporter":
                    found.add(comm)
    return sorted(found)
