"""What a switch shows of its RoCE configuration, in words that hold for every make (docs/fabric.md section 4).

``None`` everywhere means "not seen"; an empty list or dictionary means "seen, and there is none". Sizes are bytes
unless the name says KiB, powers dBm, speeds Mbit/s, discards per cent.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence, Tuple

from ...common import Document, note

# What one DSCP becomes: the per-hop behaviour or traffic class as this make writes it ("af4", "4"), and the colour of
# the packets ("green"; None where the make has none).
Marking = Tuple[str, Optional[str]]


class PfcProfile:
    """Which priorities are lossless, and when a deadlock is called one.

    ``detect_time`` and ``recovery_time`` are as the make counts them (Huawei: multiples of the detection interval of
    10 ms); ``turn_off_threshold`` is deadlocks in 20 s after which PFC is turned off.
    """

    def __init__(
        self,
        priorities: Sequence[int],
        detect_time: dict[int, int] | None = None,
        recovery_time: dict[int, int] | None = None,
        turn_off_threshold: dict[int, int] | None = None,
    ) -> None:
        self.priorities = sorted(priorities)
        self.detect_time = dict(detect_time or {})
        self.recovery_time = dict(recovery_time or {})
        self.turn_off_threshold = dict(turn_off_threshold or {})


class DropProfile(NamedTuple):
    """WRED/ECN thresholds of green packets. ``unit``: bytes, percentage (limits are then per cent), packets or None."""

    low_limit: int | None = None
    high_limit: int | None = None
    discard_percentage: int | None = None
    unit: str | None = None


class Pfc:
    """PFC on one port. ``priorities``: those that are lossless here, wherever the make keeps them."""

    def __init__(self) -> None:
        self.enabled: bool | None = None
        self.mode: str | None = None  # manual | auto
        self.profile: str | None = None
        self.priorities: list[int] | None = None


class Buffer:
    """Thresholds of the lossless queue of one port. ``form``: dynamic (``xoff`` is the alpha) or static (bytes)."""

    def __init__(self) -> None:
        self.form: str | None = None
        self.xoff: int | None = None
        self.xoff_bytes: int | None = None
        self.headroom_bytes: int | None = None


class Ecn:
    """ECN on the lossless queue of one port. ``kind``: static, ai (the switch computes the thresholds) or None."""

    def __init__(self) -> None:
        self.enabled: bool | None = None
        self.kind: str | None = None
        self.profile: str | None = None
        self.low_limit_bytes: int | None = None
        self.high_limit_bytes: int | None = None
        self.discard_percentage: int | None = None


class Port:
    """One planned port of the switch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exists: bool | None = None
        self.link: str | None = None  # up | down
        self.link_reason: str | None = None  # "administratively down", where the switch tells
        self.speed_mbps: int | None = None
        self.max_frame_bytes: int | None = None
        self.trust: str | None = None  # "dscp", "802.1p", "none", or both joined by "+"
        self.domain: str | None = None  # name of the map of DSCP that the port uses
        self.flow_control: bool | None = None  # 802.3x, which excludes PFC
        self.pfc = Pfc()
        self.buffer = Buffer()
        self.ecn = Ecn()
        self.turned_off: bool | None = None  # PFC given up after deadlocks
        self.neighbor: dict[str, str] | None = None  # {device, port} by LLDP
        self.neighbor_seen: bool | None = None  # whether the switch answered about LLDP on this port at all
        # {present, transceiver, rx_power_dbm: [lane], tx_power_dbm: [lane], limits, alarms} as far as shown
        self.optics: Document | None = None
        # {crc_errors, drops, pfc_rx_frames, pfc_tx_frames, ecn_marked, deadlocks}, each a number or None
        self.counters: Document | None = None


class Whole:
    """What is configured for the whole switch (``global`` in docs/fabric.md)."""

    def __init__(self) -> None:
        self.headroom_pool_kib: int | None = None  # 0: none is set
        self.dscp_mapping: bool | None = None
        self.pfc_profiles: dict[str, PfcProfile] | None = None
        self.domains: dict[str, dict[int, Marking]] | None = None
        self.drop_profiles: dict[str, DropProfile] | None = None


class Found:
    """Everything that was read. ``uncommitted``: sentences, one per candidate or lock that somebody left."""

    def __init__(self, os: str) -> None:
        self.os = os
        self.model: str | None = None
        self.version: str | None = None
        self.whole = Whole()
        self.ports: dict[str, Port] = {}
        self.unsaved: list[str] | None = None
        self.uncommitted: list[str] | None = None
        self.notes: list[dict[str, str]] = []
        # The driver's own: whatever its ``steps`` needs beyond the above (for Huawei the configuration as a tree).
        self.own: Any = None

    def tell(self, where: str, problem: str) -> None:
        """Add a note; the same note is kept once."""
        entry = note(where, problem)
        if entry not in self.notes:
            self.notes.append(entry)

    def document(self) -> Document:
        """As plain data (tests, evidence): the shape of docs/fabric.md section 4."""
        whole = dict(vars(self.whole))
        if self.whole.pfc_profiles is not None:
            whole["pfc_profiles"] = {name: dict(vars(each)) for name, each in self.whole.pfc_profiles.items()}
        if self.whole.drop_profiles is not None:
            whole["drop_profiles"] = {name: dict(each._asdict()) for name, each in self.whole.drop_profiles.items()}
        ports = {}
        for name, port in self.ports.items():
            ports[name] = dict(vars(port), pfc=dict(vars(port.pfc)), buffer=dict(vars(port.buffer)))
            ports[name]["ecn"] = dict(vars(port.ecn))
        return {
            "os": self.os,
            "model": self.model,
            "version": self.version,
            "global": whole,
            "ports": ports,
            "unsaved": self.unsaved,
            "uncommitted": self.uncommitted,
            "notes": list(self.notes),
        }


class PortDifferences:
    """Sentences about one port, by the check that they belong to. None: could not be compared."""

    KINDS = ("trust", "pfc", "buffer", "ecn")

    def __init__(self) -> None:
        self.trust: list[str] | None = None
        self.pfc: list[str] | None = None
        self.buffer: list[str] | None = None
        self.ecn: list[str] | None = None


class Differences:
    """What is not as planned. ``whole``: of the switch; None: could not be compared."""

    def __init__(self) -> None:
        self.whole: list[str] | None = None
        self.ports: dict[str, PortDifferences] = {}

    def sentences(self) -> list[str]:
        """All of them, the switch's first, then port by port."""
        told = list(self.whole or [])
        for port in self.ports.values():
            for kind in PortDifferences.KINDS:
                told += getattr(port, kind) or []
        return told

    def unseen(self) -> bool:
        """Whether any part could not be compared."""
        return self.whole is None or any(
            getattr(port, kind) is None for port in self.ports.values() for kind in PortDifferences.KINDS
        )


class Block(NamedTuple):
    """Lines of one view. ``view``: the lines that lead into it from the system view, ``()`` for the system view."""

    view: tuple[str, ...]
    lines: tuple[str, ...]


class Steps:
    """What must be entered, in order, and what of people's configuration stands against it.

    ``before`` and ``after``: the configuration of the touched views as text, for Ansible's diff.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.conflicts: list[str] = []
        self.before = ""
        self.after = ""

    def lines(self) -> list[str]:
        """Flat, as they are typed: each view is entered from the system view, its lines are indented by a blank."""
        told: list[str] = []
        for block in self.blocks:
            told += [" " * depth + line for depth, line in enumerate(block.view)]
            told += [" " * len(block.view) + line for line in block.lines]
        return told
