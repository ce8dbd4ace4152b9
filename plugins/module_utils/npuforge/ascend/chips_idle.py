"""Which chips somebody uses, so that no test is run on them.

By the memory held (a process of another container is in no list), by the list of processes where it has entries, and
where asked by the traffic on the HCCS links. A chip whose use cannot be seen counts as in use: a test that disturbs a
running job costs more than one that has to be asked for again.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .npu_smi_table import held_percent

IDLE_PERCENT = 15.0  # a chip that nobody uses holds up to 9 % (32 GB parts); captures of 910A to A3
QUIET_GBYTES_PER_S = 0.1  # an idle chip sends nothing over HCCS


def in_use(
    chips: Sequence[Mapping[str, Any]],
    processes: Sequence[Mapping[str, Any]] | None,
    idle_percent: float = IDLE_PERCENT,
    traffic: Mapping[tuple[int, int], float] | None = None,
) -> list[str]:
    """Sentences, one for each chip in use. ``chips``: rows of ``npu_info.chips_of`` with their ``place``.

    :param processes: of the table, None where it has no such list.
    :param traffic: GB/s by (NPU id, chip id), sent or received; chips that are missing in it were not seen.
    """
    told = []
    for chip in chips:
        reason = _reason(chip, processes or [], idle_percent, traffic or {})
        if reason is not None:
            told.append(f"{chip['place']}: {reason}")
    return told


def _reason(
    chip: Mapping[str, Any],
    processes: Sequence[Mapping[str, Any]],
    idle_percent: float,
    traffic: Mapping[tuple[int, int], float],
) -> str | None:
    key = (chip["npu_id"], chip["chip_id"])
    names = [str(row["name"] or f"process {row['pid']}") for row in processes if (row["npu_id"], row["chip_id"]) == key]
    if names:
        return f"in use by {', '.join(names[:3])}"
    percent = held_percent(chip)
    if percent is None:
        return "whether it is free could not be seen"
    if percent > idle_percent:
        return f"{percent:.0f} % of its memory is held (at most {idle_percent:g} % on a free one)"
    if traffic.get(key, 0.0) > QUIET_GBYTES_PER_S:
        return f"{traffic[key]:.1f} GB/s pass its HCCS links"
    return None
