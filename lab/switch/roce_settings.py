"""The configuration commands of a lossless network: PFC, headroom, DSCP mapping, WRED and ECN.

[CR] is Huawei's CE6800/CE8800 V300R023C00 command reference. Two families of models have PFC. Those of ``_POOLS`` must
have a headroom pool before PFC is enabled, and set xoff and headroom per queue. Those of ``_PAIRS`` take a pool of at
most 2 MB and do without; they set xon with xoff, have six queues for PFC, and do not know ``dcb pfc dscp-mapping``. All
others (CE6820H, CE6881H ...) have no PFC: [CR] names the models at each command.
"""

from __future__ import annotations

import re

from lab.switch.grammar import LOSSLESS, PAIRS, PLAIN, POOLS
from lab.switch.settings import PORTS, Opening, Setting

# "Supported only on the CE6855-48XS8CQ, CE6863E-48S8CQ, CE6885 ..., CE8851-32CQ4BQ, CE8855". The twin's CE9855 is of a
# later generation that [CR] does not have; it is taken to be like the CE8855.
_POOLS = re.compile(r"CE(?:6855-48XS8CQ|6863E|6885|8851-32CQ4BQ|8855|9855)")
_PAIRS = re.compile(r"CE(?:6860|6866|8850|8851K|8851-32CQ8DQ)")
BUFFER = "dcb pfc buffer <queue>"
WRED = "color <color> buffer-size low-limit <low-limit> high-limit <high-limit> discard-percentage <percentage>"
SHARES = (
    "color <color> percentage low-limit <low-percentage> high-limit <high-percentage> discard-percentage <percentage>"
)


def family(model: str) -> str:
    """The family of a model: ``POOLS``, ``PAIRS`` or ``PLAIN``."""
    return POOLS if _POOLS.match(model) else PAIRS if _PAIRS.match(model) else PLAIN


def _pool(unit: str) -> Setting:
    form = f"qos buffer headroom-pool size <pool-{unit}> {unit} slot <slot>"
    undo = "undo qos buffer headroom-pool slot <slot>"
    key = "qos buffer headroom-pool slot {slot}"
    return Setting(form, ("system",), key, undo, also=(f"undo {form}",), families=LOSSLESS)


def _enable(form: str, shown: str = "") -> Setting:
    return Setting(form, PORTS, "dcb pfc enable", "undo dcb pfc enable", shown, (f"undo {form}",), families=LOSSLESS)


def _buffer(form: str, of: str) -> Setting:
    """The thresholds of a queue, on the models of a family. An undo may stop after any of its words."""
    what = "hdrm" if form.startswith("hdrm") else "xoff"
    return Setting(
        f"{BUFFER} {form}",
        PORTS,
        f"dcb pfc buffer {{queue}} {what}",
        f"undo {BUFFER} {what}" if of == POOLS else f"undo {BUFFER} {form}",
        shown="" if form.endswith(("kbytes", "mbytes", "alpha>")) else f"{BUFFER} {form} kbytes",
        also=(f"undo {BUFFER} {form}",) if of == POOLS else (),
        families=(of,),
    )


def _timer(what: str) -> Setting:
    """[CR] dcb pfc deadlock-detect timer, dcb pfc deadlock-recovery timer: one for all queues, in milliseconds."""
    form = f"dcb pfc deadlock-{what} timer"
    return Setting(
        f"{form} <milliseconds>",
        ("system",),
        form,
        f"undo dcb pfc deadlock-{what}",
        also=(f"undo {form} <milliseconds>",),
        default=f"{form} 100",
        families=(PAIRS,),
    )


def _trigger(action: str) -> Setting:
    form = f"port pfc-deadlock trigger {action}"
    return Setting(
        form,
        PORTS,
        "port pfc-deadlock trigger",
        f"undo {form}",
        default="port pfc-deadlock trigger turn-off",
        families=LOSSLESS,
    )


def _deadlock(words: str, value: str, default: int, families: tuple[str, ...]) -> Setting:
    what = words.partition(" ")[0]
    start = f"priority <priority> {what}"
    key = f"priority {{priority}} {what}"
    return Setting(
        f"priority <priority> {words} <{value}>",
        ("dcb",),
        key,
        f"undo {start}",
        also=(f"undo priority <priority> {words} <{value}>",),
        default=f"priority {{priority}} {words} {default}",
        families=families,
    )


ROCE_SETTINGS = (
    # [CR] qos buffer headroom-pool
    _pool("kbytes"),
    _pool("mbytes"),
    # [CR] dcb pfc dscp-mapping enable, dcb pfc global disable
    Setting(
        "dcb pfc dscp-mapping enable slot <slot>",
        ("system",),
        "dcb pfc dscp-mapping slot {slot}",
        "undo dcb pfc dscp-mapping enable slot <slot>",
        families=(POOLS,),
    ),
    Setting(
        "dcb pfc global disable",
        ("system",),
        "dcb pfc global disable",
        "undo dcb pfc global disable",
        families=LOSSLESS,
        asks="Warning: This command will disable PFC on all ports. Continue? [Y/N]:",
    ),
    # [CR] dcb pfc deadlock-detect interval: the unit of the times below, in milliseconds
    Setting(
        "dcb pfc deadlock-detect interval <precision>",
        ("system",),
        "dcb pfc deadlock-detect interval",
        "undo dcb pfc deadlock-detect interval",
        default="dcb pfc deadlock-detect interval 10",
        families=(POOLS,),
    ),
    _timer("detect"),
    _timer("recovery"),
    # [CR] priority deadlock-detect time, priority deadlock-recovery time, priority turn-off, priority error-down
    _deadlock("deadlock-detect time", "detect", 10, (POOLS,)),
    _deadlock("deadlock-recovery time", "recovery", 10, (POOLS,)),
    _deadlock("turn-off threshold", "deadlocks", 30, LOSSLESS),
    _deadlock("error-down threshold", "deadlocks", 30, LOSSLESS),
    # [CR] ip-dscp-inbound phb
    Setting(
        "ip-dscp-inbound <dscp> phb <phb> <color>",
        ("diffserv",),
        "ip-dscp-inbound {dscp}",
        "undo ip-dscp-inbound <dscp>",
        also=("undo ip-dscp-inbound <dscp> phb <phb> <color>",),
    ),
    # [CR] color (drop profile view)
    Setting(WRED, ("drop-profile",), "color {color}", "undo color <color>", also=(f"undo {WRED}",)),
    Setting(SHARES, ("drop-profile",), "color {color}", "undo color <color>"),
    # [CR] trust, trust upstream
    Setting("trust dscp", PORTS, "trust", "undo trust", also=("undo trust dscp",)),
    Setting("trust 8021p", PORTS, "trust", "undo trust", also=("undo trust 8021p",)),
    Setting("trust 8021p inner", PORTS, "trust", "undo trust"),
    Setting("trust 8021p outer", PORTS, "trust", "undo trust"),
    Setting(
        "trust upstream <ds-domain>",
        PORTS,
        "trust upstream",
        "undo trust upstream",
        also=("undo trust upstream <ds-domain>",),
    ),
    # [CR] dcb pfc enable: "If this parameter is not specified, PFC works in manual mode."
    _enable("dcb pfc enable", "dcb pfc enable mode manual"),
    _enable("dcb pfc enable mode manual"),
    _enable("dcb pfc enable mode auto"),
    _enable("dcb pfc enable <pfc-profile>", "dcb pfc enable <pfc-profile> mode manual"),
    _enable("dcb pfc enable <pfc-profile> mode manual"),
    _enable("dcb pfc enable <pfc-profile> mode auto"),
    # [CR] dcb pfc buffer
    *(_buffer(f"xoff {size}", POOLS) for size in ("dynamic <alpha>", "static <xoff>")),
    *(_buffer(f"xoff static <xoff> {unit}", POOLS) for unit in ("kbytes", "mbytes")),
    *(_buffer(f"xoff {size} xon offset <xon> kbytes", POOLS) for size in ("dynamic <alpha>", "static <xoff> kbytes")),
    _buffer("hdrm <headroom>", POOLS),
    _buffer("hdrm <headroom> kbytes", POOLS),
    _buffer("xon dynamic <xon-alpha> xoff dynamic <alpha>", PAIRS),
    _buffer("xon static <xon> kbytes xoff static <xoff> kbytes", PAIRS),
    # [CR] port pfc-deadlock trigger
    _trigger("error-down"),
    _trigger("turn-off"),
    # [CR] qos queue wred, qos queue ecn, flow-control
    Setting(
        "qos queue <queue> wred <drop>",
        PORTS,
        "qos queue {queue} wred",
        "undo qos queue <queue> wred",
        also=("undo qos queue <queue> wred <drop>",),
    ),
    Setting("qos queue <queue> ecn", PORTS, "qos queue {queue} ecn", "undo qos queue <queue> ecn"),
    Setting("flow-control", PORTS, "flow-control", "undo flow-control"),
)

ROCE_OPENINGS = (
    Opening("dcb pfc", "system", "dcb pfc", "undo dcb pfc", LOSSLESS),
    Opening("dcb pfc <pfc-profile>", "system", "dcb pfc {pfc-profile}", "undo dcb pfc <pfc-profile>", LOSSLESS),
    Opening("diffserv domain <ds-domain>", "system", "diffserv domain {ds-domain}", "undo diffserv domain <ds-domain>"),
    Opening("drop-profile <drop>", "system", "drop-profile {drop}", "undo drop-profile <drop>"),
)
