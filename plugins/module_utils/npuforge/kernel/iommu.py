"""IOMMU mode as words of the kernel's command line (kernel-parameters.rst: iommu, intel_iommu, iommu.passthrough)."""

from __future__ import annotations

import re

from .cmdline import Word
from .context import Context


def words(context: Context) -> tuple[list[Word], list[str]]:
    """(words, problems). Arm and x86 have different ones, and so have Intel and AMD."""
    mode = context.wanted.get("iommu")
    if mode in (None, "keep"):
        return [], []
    if context.architecture in ("aarch64", "arm64"):
        if mode == "off":
            return [], ["iommu: an Arm kernel has no word that switches the SMMU off; passthrough is the nearest"]
        return [Word("iommu.passthrough", "1" if mode == "passthrough" else "0", "iommu")], []
    if context.architecture in ("x86_64", "amd64"):
        made = [Word("iommu", {"passthrough": "pt", "on": "nopt", "off": "off"}[str(mode)], "iommu")]
        if _vendor(context) == "GenuineIntel":  # AMD's is on by default and knows no word for it
            made.insert(0, Word("intel_iommu", "off" if mode == "off" else "on", "iommu"))
        return made, []
    return [], [f"iommu: how a kernel for {context.architecture or 'an unknown architecture'} takes it is not known"]


def _vendor(context: Context) -> str | None:
    match = re.search(r"^vendor_id\s*:\s*(\S+)", context.host.read("/proc/cpuinfo") or "", re.MULTILINE)
    return match.group(1) if match else None
