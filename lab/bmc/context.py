"""What the builders of the tree need to know: the truth, what it shows, and which vendor's dialect this BMC speaks.

Two dialects (facts from openUBMC's interface documentation and from Huawei's iBMC plug-ins):

====================  ==========================================  ===============================================
                      ``openubmc``                                ``ibmc``
====================  ==========================================  ===============================================
OEM key               ``Oem.Public``                              ``Oem.Huawei``
NPUs                  ``Processors`` with ProcessorType ``NPU``   only ``PCIeDevices`` with vendor id 0x19e5; an
                      (openUBMC's own value, not in DMTF's        absent one is not listed
                      list), and as PCIe devices
health roll-ups       follow from the parts                       the system always says OK
drives                ``Storage/1/Drives``                        ``Chassis/1/Drives`` by ``Chassis.Links.Drives``;
                                                                  collection ``Storages``; Drive State null
fans, PSUs            old and new resources                       ``Thermal`` and ``Power`` only
CPU summary's model   the model                                   ``Central Processor``
firmware's vendor     ``Bios`` has ``Oem.Public.Manufacturer``    not shown
====================  ==========================================  ===============================================

``node["bmc"]["strict_schema"]`` true replaces ``NPU`` by DMTF's ``Accelerator`` (and names the real type in the OEM
object), for whoever validates against DMTF's schema to the letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.bmc.odata import Json
from lab.physics import Part, View, view, worst


@dataclass(frozen=True)
class Context:
    """One BMC at one moment."""

    node: Mapping[str, Any]
    view: View
    ibmc: bool
    strict: bool

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Context:
        bmc = node["bmc"]
        return cls(node, view(node), bmc["dialect"] == "ibmc", bool(bmc.get("strict_schema")))

    @property
    def oem_key(self) -> str:
        return "Huawei" if self.ibmc else "Public"

    def oem(self, **properties: Any) -> Json:
        """An Oem object under this vendor's key; what is None is left out."""
        return {self.oem_key: {key: value for key, value in properties.items() if value is not None}}

    def rollup(self, *kinds: str) -> str:
        """Worst health of some kinds of parts; an iBMC's roll-ups of the system say OK whatever happens."""
        return "OK" if self.ibmc else worst(self.view.rollups[kind] for kind in kinds)

    def listed_npus(self) -> list[Part]:
        """An iBMC does not list an NPU that is not there."""
        return [npu for npu in self.view.npus if npu.present or not self.ibmc]


def shown(part: Part, key: str) -> Any:
    """A property of a part, None when the part is not there: an empty slot has no serial number."""
    return part.truth.get(key) if part.present else None
