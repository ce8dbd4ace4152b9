"""The command line of HCCL Test: options, their limits, and the words with which each rank refuses them.

Source: hccl_test_common.cc and hccl_opbase_rootinfo_base.cc as published with oam-tools (all eleven programs share it);
which programs fit sizes to the number of ranks, and how many ranks a result can be checked for: the same source and its
guide (execution.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

REDUCING = {"all_reduce", "reduce", "reduce_scatter", "reduce_scatterv"}
ALIGNED = {"all_gather", "all_gatherv", "reduce_scatter", "reduce_scatterv", "alltoall", "alltoallv", "alltoallvc"}
OPERATIONS = ("sum", "prod", "max", "min")
TYPE_BYTES: Mapping[str, int] = {
    **{"int8": 1, "int16": 2, "int32": 4, "fp16": 2, "fp32": 4, "int64": 8, "uint64": 8, "uint8": 1, "uint16": 2},
    **{"uint32": 4, "fp64": 8, "bfp16": 2, "int128": 4, "hif8": 1, "fp8e4m3": 1, "fp8e5m2": 1, "fp8e8m0": 1},
}
ONE_BYTE = {name for name, size in TYPE_BYTES.items() if size == 1}
BLOCK, BLOCK_FROM = 512, 16 << 20  # sizes above 16 MiB are whole blocks of each rank
ELEMENTS = 128  # an all-to-all moves whole groups of so many elements to each rank
# Up to how many ranks a result is exact enough to be checked.
PRODUCT_RANKS: Mapping[str, int] = {"int8": 6, "int16": 14, "int32": 30, "int64": 62, "fp32": 127, "fp16": 15}
SUM_RANKS: Mapping[str, int] = {"int8": 63, "int16": 16383, "fp16": 511, "bfp16": 63}
SCATTER_SUM_RANKS: Mapping[str, int] = {
    **{"int8": 11, "int16": 181, "int32": 46340, "fp32": 2896, "fp16": 31, "bfp16": 11}
}
MOVED_RANKS = 127  # one byte cannot tell more ranks apart
LONG = {
    **{"op": "o", "datatype": "d", "minbytes": "b", "maxbytes": "e", "stepbytes": "i", "stepfactor": "f"},
    **{"root": "r", "iters": "n", "warmup_iters": "w", "check": "c", "npus": "p", "help": "h"},
    **{"onlydevicetime": "t", "symmetric_memory": "m", "zero_copy": "z", "nslb": "s"},
}
HELP = """\
USAGE: ./test
\t[-b,--minbytes <min size in bytes>]
\t[-e,--maxbytes <max size in bytes>]
\t[-i,--stepbytes <increment size>]
\t[-f,--stepfactor <increment factor>]
\t[-n,--iters <iteration count>]
\t[-o,--op <sum/prod/min/max>]
\t[-d,--datatype <int8/int16/int32/fp16/fp32/int64/...>]
\t[-r,--root <root>]
\t[-w,--warmup_iters <warmup iteration count>]
\t[-c,--check <result verification> 0:disabled 1:quiet 2:verbose (default 1)]
\t[-p,--npus <npus used for one node>]
\t[-h,--help]
"""
NO_NUMBER = "Error:In judge all digit, Check whether the value of [-i -n -r -w -c -p] is a positive integer.\n"
SEE_HELP = "is invalid, Use [-h,--help] to check the correct input parameter.\n"


class Ends(Exception):
    """A rank ends before the test: what it prints, and its exit status."""

    def __init__(self, text: str, rc: int) -> None:
        super().__init__(text)
        self.text = text
        self.rc = rc


@dataclass
class Arguments:
    """What a test does. Sizes in bytes; ``step``: bytes, ``factor``: multiplier (one of them), ``npus`` None: all."""

    name: str
    first: int = 64 << 20
    last: int = 64 << 20
    step: int | None = None
    factor: float | None = None
    iterations: int = 20
    warmup: int = 10
    operation: str = "sum"
    operation_given: bool = False
    type: str = "fp32"
    root: int = 0
    check: int = 1
    npus: int | None = None

    def sizes(self) -> Iterator[int]:
        """The sizes of the rows; endless when the step is 0, as the guide says."""
        size = self.first
        while size <= self.last:
            yield size
            size = size + (self.step or 0) if self.factor is None else int(size * self.factor)

    def moved(self, size: int, ranks: int) -> int:
        """Bytes over which a row's bandwidth is computed: elements rounded up as the program lays them out."""
        width = TYPE_BYTES[self.type]
        count = -(-size // width)
        if self.name.startswith("alltoall"):
            unit = ranks * ELEMENTS if count >= ranks * ELEMENTS else ranks
            return -(-count // unit) * unit * width
        if self.name in ALIGNED or self.name == "scatter":
            return -(-count // ranks) * ranks * width
        return count * width

    def checkable(self, ranks: int) -> bool:
        """Whether a result of so many ranks can be exact."""
        if self.name not in REDUCING:
            return not (self.type in ONE_BYTE and ranks > MOVED_RANKS)
        scatters = self.name.startswith("reduce_scatter")
        limits: Mapping[str, int] = {}
        if self.operation == "prod":
            limits = PRODUCT_RANKS
        elif self.operation == "sum":
            limits = SCATTER_SUM_RANKS if scatters else SUM_RANKS
        return ranks <= limits.get(self.type, ranks)


def parse(name: str, argv: Sequence[str]) -> Arguments:
    """The options, as getopt_long reads them. Ends: help, or words that are no options."""
    found = Arguments(name)
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        letter, value = _option(word)
        if letter is None:
            if word.startswith("-"):
                raise Ends("invalid option \nTry [-h --help] for more information.\n" + _in("parse_cmd_line"), 255)
            raise Ends(f"non-option ARGV-elements: {' '.join([word, *rest])} \n" + _in("parse_cmd_line"), 255)
        if letter == "h":
            raise Ends(HELP, 0)
        if value is None:
            if not rest:
                raise Ends("invalid option \nTry [-h --help] for more information.\n" + _in("parse_cmd_line"), 255)
            value = rest.pop(0)
        _set(found, letter, value)
    return found


def _option(word: str) -> tuple[str | None, str | None]:
    """(letter, value in the same word); (None, None): no option."""
    if word.startswith("--"):
        key, equals, value = word[2:].partition("=")
        return LONG.get(key), value if equals else None
    if len(word) > 1 and word[0] == "-" and word[1] in LONG.values():
        return word[1], word[2:] or None
    return None, None


def _set(found: Arguments, letter: str, value: str) -> None:
    if letter in "be":
        setattr(found, "first" if letter == "b" else "last", _size(value))
    elif letter == "f":
        found.factor = _factor(value)
    elif letter == "o":
        found.operation, found.operation_given = value, True
    elif letter == "d":
        found.type = value
    elif letter in "inrwcp":
        name = {"i": "step", "n": "iterations", "r": "root", "w": "warmup", "c": "check", "p": "npus"}[letter]
        setattr(found, name, int(value) if value.isascii() and value.isdigit() else -1)


def _size(text: str) -> int:
    unit = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(text[-1:].lower(), 1)
    digits = text[:-1] if unit > 1 else text
    return int(digits) * unit if digits.isascii() and digits.isdigit() else -1


def _factor(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def check(found: Arguments, ranks: int, devices: int) -> None:
    """What each rank checks before it touches a device; sizes become multiples of the ranks. Ends: what it refuses."""
    for text in _mistakes(found, ranks, devices):
        said = NO_NUMBER if -1 in (found.step, found.iterations, found.root, found.warmup, found.npus) else ""
        raise Ends(said + text + _in("check_cmd_line"), 255)
    if found.factor is None and found.step is None:
        found.step = max(1, (found.last - found.first) // 10)
    if found.name in ALIGNED:
        found.first, found.last = (_aligned(size, ranks) for size in (found.first, found.last))
        if found.step:
            found.step = -(-found.step // ranks) * ranks


def _aligned(size: int, ranks: int) -> int:
    size = max(size, ranks)
    unit = ranks * BLOCK if size > BLOCK_FROM else ranks
    return size // unit * unit


def _mistakes(found: Arguments, ranks: int, devices: int) -> Iterator[str]:
    if found.first <= 0 or found.last <= 0:
        yield "invalid size specified for [-b,--minbytes] or [-e,--maxbytes]\n"
    if found.step == -1:
        yield "Error: [-i,--stepbytes] must be greater than or equal to 0.\n"
    if found.last < found.first:
        yield "invalid option: maxbytes < minbytes, Check the [-b,--minbytes] and [-e,--maxbytes] options.\n"
    if found.factor is not None and found.factor <= 1:
        yield "Error: [-f,--stepfactor] Must be greater than 1.0f, Start step mod.\n"
    if found.type not in TYPE_BYTES:
        yield f"Error: [-d,--datatype] {SEE_HELP}"
    if found.operation not in OPERATIONS:
        yield f"Error: [-o,--op] {SEE_HELP}"
    if found.warmup < 0:
        yield "Error: [-w,--warmup_iters] is invalid, warmup_iters must be greater than or equal to 0.\n"
    if found.iterations < 0:
        yield "Error: [-n,--iters] is invalid, iters must be greater than or equal to 0.\n"
    if not 0 <= found.root < ranks:
        yield (
            "Error: [-r,--root <root>] is invalid, root rank must be greater than or equal to 0 and less than or "
            f"equal to {ranks - 1}.\n"
        )
    if not 0 <= found.check <= 2:
        yield "Error: [-c,--check] is invalid, check should be 0 or 1 or 2\n"
    if devices == 0:
        yield "Error: The number of device is 0.Check whether the package is correct.\n"
    if found.npus is not None and not 1 <= found.npus <= devices:
        yield (
            "Error: [-p,--npus <npus used for one node>] is invalid, npus must be greater than or equal to 1 and "
            f"less than or equal to {devices}.\n"
        )


def _in(step: str) -> str:
    return f"This is an error in {step}.\n"
