"""How hccn_tool fails: numbers, words and stream of each error, as its source has them.

The tool's exit status is the low byte of the number. ``INFO`` errors go to standard output, the others to standard
error; wrong parameters are followed by the command's help.
"""

from __future__ import annotations

from dataclasses import dataclass

MAJOR, PARAM, TOOL, DSMI = 0x1000, 0x2000, 0x3000, 0x4000


@dataclass(frozen=True)
class Kind:
    number: int
    text: str
    info: bool = False
    help: bool = False


NO_MAJOR = Kind(MAJOR + 1, 'Get invalid major cmd type. The valid major cmd type should be "-a" or "-i".')
FEW_WORDS = Kind(MAJOR + 2, "Get invalid major cmd number. Please check your input.")
NO_COMMAND = Kind(MAJOR + 3, "Get invalid major cmd.")
NO_DEVICE = Kind(MAJOR + 4, "Get invalid device id.")
NO_TCP = Kind(PARAM, "Cmd execute failed!")
INVALID = Kind(PARAM + 1, "Get invalid parameters!", help=True)
NO_OPTION = Kind(PARAM + 3, "Get unknown option!", help=True)
COUNT = Kind(PARAM + 4, "The total count of input parameters is wrong!", help=True)
BAD_ADDRESS = Kind(PARAM + 6, "The ip address you configured is invalid!")
CONFLICT = Kind(PARAM + 7, "The ip address configured is conflicted!")
GATEWAY_SEGMENT = Kind(PARAM + 8, "The segment of configured gateway doesn't match that of the configured ip adress!")
DSCP_RANGE = Kind(PARAM + 9, "The value of dscp you input is out of the valid range!", help=True)
TC_RANGE = Kind(PARAM + 10, "The value of tc you input is out of the valid range!", help=True)
MTU_RANGE = Kind(PARAM + 13, "The value of mtu you input is out of the valid range!", help=True)
TLS_ENABLE = Kind(PARAM + 16, "Get invalid enable value!", help=True)
BUSY = Kind(TOOL + 11, "hccn_tool is busy, please try again.", info=True)
PARSE_CONF = Kind(TOOL + 16, "Parsing configurations from config file failed, pls check the config file.")
PFC_NUMBER = Kind(TOOL + 25, "The number of pfc priority queues exceeds the maximum value(4).", info=True)
GATEWAY_NO_IP = Kind(TOOL + 26, "Unable to configure gateway, because ip is not configured!")
NO_CONF_FILE = Kind(
    TOOL + 29, "The hccn.conf can't access, cmd execute failed! pls check the conf file or cmd run permission."
)
BROADCAST = Kind(TOOL + 37, "Can not config broadcast address!")
EXECUTE = Kind(DSMI + 1, "Command execute failed!")
NO_GATEWAY = Kind(DSMI + 2, "Get gateway failed, because no gateway was preset there!")
NO_ADDRESS = Kind(DSMI + 13, "Get ipconf failed, because no ip was preset there!")
RECOVERY = Kind(0xFF, "Cmd execute failed!")
PERFTEST = Kind(0xFF, "Cmd execute failed!")
PERFTEST_RUNS = Kind(2, "Cmd execute failed!")
TIMEOUT = Kind(0x5001, "The cmd line execute timeout!")


class Failure(Exception):
    """A command ends with an error."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.text)
        self.kind = kind
