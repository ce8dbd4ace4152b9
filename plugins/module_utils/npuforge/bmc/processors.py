"""CPUs and accelerators. Counted by type and state of the parts: summaries count cores (Supermicro), GPUs (Cray) or
empty sockets (DMTF), and the accelerators hide under Processors, PCIeDevices or a vendor's own resources."""

from __future__ import annotations

import re

from ..common import Document, as_dict, as_integer, as_list, as_text
from .part import Kind, last, location, new_part, oem_number, oem_text, reading, short
from .plan import ACCELERATORS
from .tree import Tree

HUAWEI = 0x19E5
# Ascend generations by PCI device id: 910A, 910B/910B-family, 310P, 310.
ASCEND_DEVICES = frozenset((0xD801, 0xD802, 0xD803, 0xD500, 0xD100))
_GPU_VENDORS = frozenset((0x10DE, 0x1002))
_DISPLAY, _ACCELERATOR = 0x03, 0x12
_ASCEND = re.compile(r"ascend|\bnpu|\batlas 300", re.IGNORECASE)
# Processor types of the DMTF list that are neither CPU nor accelerator in our sense.
_OTHER_TYPES = frozenset(("fpga", "dsp", "core", "thread", "dpu", "partition"))


def _type(document: Document) -> str:
    """``cpu``, ``npu`` (any accelerator), ``other`` or empty when nothing tells."""
    kind = (as_text(document.get("ProcessorType")) or "").lower()
    if kind in ACCELERATORS:
        return "npu"
    if kind == "cpu":
        return "cpu"
    if kind in _OTHER_TYPES:
        return "other"
    names = " ".join(as_text(document.get(key)) or "" for key in ("Name", "Model", "Id"))
    if _ASCEND.search(names) or hexadecimal(document.get("VendorId")) == HUAWEI:
        return "npu"
    if any(as_text(document.get(key)) for key in ("InstructionSet", "ProcessorArchitecture")):
        return "cpu"
    return ""


def hexadecimal(value: object) -> int | None:
    """``0x19e5``, ``0X10DE``, ``19e5`` or a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = (as_text(value) or "").lower()
    match = re.match(r"^(?:0x)?([0-9a-f]{1,8})h?$", text)
    return int(match.group(1), 16) if match else None


def _cpu(uri: str, document: Document) -> Document:
    labels = (
        oem_text(document, "DeviceLocator"),
        as_text(document.get("Socket")),
        location(document, "Location"),
        as_text(document.get("Name")),
        as_text(document.get("Id")) or last(uri),
    )
    part = new_part(document, "processors", labels)
    part.update(
        architecture=as_text(document.get("ProcessorArchitecture")),
        cores=as_integer(document.get("TotalCores")),
        threads=as_integer(document.get("TotalThreads")),
        max_speed_mhz=as_integer(document.get("MaxSpeedMHz")),
    )
    return part


def _npu_of_processor(tree: Tree, uri: str, document: Document) -> Document:
    environment = tree.get(_uri(document.get("EnvironmentMetrics")))
    labels = (
        oem_text(document, "DeviceLocator"),
        location(document, "Location"),
        as_text(document.get("Name")),
        as_text(document.get("Id")) or last(uri),
    )
    part = new_part(document, "processors", labels)
    part.update(
        pci_vendor_id=_hex_text(document.get("VendorId")) or _hex_text(_oem(document, "VendorId", "VendorID")),
        pci_device_id=_hex_text(document.get("DeviceId")) or _hex_text(_oem(document, "DeviceId", "DeviceID")),
        memory_mib=_memory_mib(document),
        temperature_celsius=_temperature(document, environment),
    )
    return part


def _oem(document: Document, *keys: str) -> object:
    return oem_text(document, *keys) or oem_number(document, *keys)


def _uri(value: object) -> str | None:
    target = as_dict(value).get("@odata.id")
    return target if isinstance(target, str) else None


def _hex_text(value: object) -> str | None:
    number = hexadecimal(value)
    return None if number is None else f"0x{number:04x}"


def _memory_mib(document: Document) -> int | None:
    sizes = [as_integer(as_dict(item).get("CapacityMiB")) for item in as_list(document.get("ProcessorMemory"))]
    known = [size for size in sizes if size]
    if known:
        return sum(known)
    summary = as_integer(as_dict(document.get("MemorySummary")).get("TotalMemorySizeMiB"))
    return summary or as_integer(oem_number(document, "MemoryCapacityMiB", "HBMCapacityMiB", "MemoryMiB"))


def _temperature(document: Document, environment: Document) -> float | None:
    own = reading(environment, "TemperatureCelsius")
    return own if own is not None else oem_number(document, "Temperature", "TemperatureCelsius")


def _npu_of_pcie(tree: Tree, uri: str, document: Document) -> Document | None:
    """The part when the PCIe device is an accelerator, else ``None``."""
    function = _function_of(tree, uri, document)
    vendor = hexadecimal(function.get("VendorId"))
    if vendor is None:
        vendor = hexadecimal(document.get("VendorId")) or hexadecimal(_oem(document, "VendorId", "VendorID"))
    device = hexadecimal(function.get("DeviceId"))
    if device is None:
        device = hexadecimal(document.get("DeviceId")) or hexadecimal(_oem(document, "DeviceId", "DeviceID"))
    if not _is_accelerator(document, function, vendor, device):
        return None
    labels = (
        oem_text(document, "DeviceLocator"),
        as_text(document.get("DeviceLocator")),
        location(document, "Location"),
        as_text(document.get("Name")),
        as_text(document.get("Id")) or last(uri),
    )
    part = new_part(document, "pcie", labels)
    if part["model"] is None:
        part["model"] = as_text(document.get("Name"))
    part.update(
        pci_vendor_id=_hex_text(vendor),
        pci_device_id=_hex_text(device),
        memory_mib=_memory_mib(document),
        temperature_celsius=_temperature(document, {}),
    )
    return part


def _function_of(tree: Tree, uri: str, device: Document) -> Document:
    candidates = [_uri(item) for item in as_list(as_dict(device.get("Links")).get("PCIeFunctions"))]
    inline = device.get("PCIeFunctions")
    members = inline if isinstance(inline, list) else tree.get(_uri(inline)).get("Members")
    candidates += [_uri(item) for item in as_list(members)]
    for candidate in candidates:
        function = tree.get(candidate)
        if function:
            return function
    return {}


def _is_accelerator(document: Document, function: Document, vendor: int | None, device: int | None) -> bool:
    code = as_text(function.get("ClassCode")) or ""
    digits = re.sub(r"^0x", "", code.lower())
    # DSP0268 gives 0x120000; HPE prints 0X000003, the base class alone.
    base = int(digits[:2], 16) if re.match(r"^[0-9a-f]{6}$", digits) else None
    if base == 0 and digits:
        base = int(digits, 16)
    if base == _ACCELERATOR or function.get("DeviceClass") == "ProcessingAccelerators":
        return True
    if vendor == HUAWEI and device in ASCEND_DEVICES:
        return True
    if vendor in _GPU_VENDORS and (base == _DISPLAY or function.get("DeviceClass") == "DisplayController"):
        return True
    if vendor is not None and vendor != HUAWEI:
        return False
    words = [oem_text(document, "PCIeCardType", "FunctionType", "DeviceType") or ""]
    words += [as_text(document.get(key)) or "" for key in ("Name", "Model", "Description")]
    return bool(_ASCEND.search(" ".join(words)))


def _hpe_class(tree: Tree, document: Document) -> int | None:
    """The PCI base class of an HPE device, from its first readable instance."""
    for item in as_list(document.get("DeviceInstances")):
        code = as_integer(tree.get(_uri(item)).get("ClassCode"))
        if code is not None:
            return code
    return None


def _npu_of_hpe(tree: Tree, uri: str, document: Document) -> Document:
    labels = (as_text(document.get("Location")), as_text(document.get("Name")), last(uri))
    part = new_part(document, "oem", labels)
    part["model"] = part["model"] or as_text(document.get("Name"))
    part["part_number"] = as_text(document.get("ProductPartNumber")) or part["part_number"]
    instances = [tree.get(_uri(item)) for item in as_list(document.get("DeviceInstances"))]
    first: Document = next((item for item in instances if item), {})
    part.update(
        pci_vendor_id=_hex_text(first.get("VendorID")),
        pci_device_id=_hex_text(first.get("DeviceID")),
        memory_mib=None,
        temperature_celsius=None,
    )
    return part


def _hpe(tree: Tree, npu: Kind) -> list[Document]:
    """HPE lists GPUs, their tray and their switches alike as DeviceType GPU; the PCI class tells them apart. The tray
    is no PCI device at all: where others have a class, what has none and claims none is not counted."""
    listed = [(uri, body) for uri, body in tree.role("hpedevice") if body.get("DeviceType") == "GPU"]
    classes = [_hpe_class(tree, body) for _, body in listed]
    parts = []
    for (uri, body), code in zip(listed, classes):
        part = _npu_of_hpe(tree, uri, body)
        if code in (_DISPLAY, _ACCELERATOR):
            parts.append(part)
        elif code is None and (body.get("DeviceInstances") or not any(classes)):
            npu.doubt(f"nothing tells whether {part['_labels'][0]} is an accelerator or its board")
            parts.append(part)
    return parts


def parse(tree: Tree, host: str, others: list[str], cpu: Kind, npu: Kind) -> str | None:
    """Fill ``cpu`` from the host's processors and ``npu`` from the host's and from ``others`` (systems that only carry
    accelerators). Returns where accelerators were found: processors, pcie, oem or ``None``."""
    owners = [host, "", *others]
    source: str | None = None
    for uri, document in tree.role("processor"):
        owner = tree.owner(uri, "system")
        kind = _type(document)
        if kind == "cpu" and owner in (host, ""):
            cpu.add(_cpu(uri, document))
        elif kind == "npu" and owner in owners:
            npu.add(_npu_of_processor(tree, uri, document))
            source = "processors"
        elif not kind and owner in (host, ""):
            label = as_text(document.get("Id")) or last(uri)
            cpu.doubt(f"nothing tells whether processor {label} is a CPU (ProcessorType is missing)")
    cpu.seen = cpu.seen or any(tree.owner(uri, "system") in (host, "") for uri, _ in tree.role("processor*"))
    found = source or _elsewhere(tree, npu)
    for role in ("processor*", "processor"):
        for uri, problem in tree.unread(role):
            owner = tree.owner(uri, "system")
            if owner in (host, ""):
                cpu.unread(last(uri), problem)
            if owner in owners and found in ("processors", None):
                npu.unread(last(uri), problem)
    if found is None and npu.complete:
        npu.complete = False
        npu.remark(
            "no accelerator under Processors, PCIeDevices or the maker's own resources: "
            "this BMC may not show them, count in the system"
        )
    return found


def _elsewhere(tree: Tree, npu: Kind) -> str | None:
    """Look where the standard place shows no accelerator: the PCIe devices, then the maker's own device list."""
    pcie, undecided = [], []
    for uri, document in tree.role("pcie"):
        part = _npu_of_pcie(tree, uri, document)
        if part is not None:
            pcie.append(part)
        elif not _function_of(tree, uri, document) and not oem_text(document, "PCIeCardType", "FunctionType"):
            undecided.append((uri, ""))
    if pcie:
        _take(npu, pcie)
        for role in ("pcie*", "pcie"):
            for uri, problem in tree.unread(role):
                npu.unread(last(uri), problem)
        if undecided:
            npu.doubt(f"nothing tells whether these PCIe devices are accelerators: {short(undecided)}")
        return "pcie"
    oem = _hpe(tree, npu)
    if oem:
        _take(npu, oem)
        for role in ("hpedevice*", "hpedevice"):
            for uri, problem in tree.unread(role):
                npu.unread(last(uri), problem)
        return "oem"
    return None


def _take(npu: Kind, parts: list[Document]) -> None:
    """One entry per serial number: a chassis and a system may list the same card under two URIs."""
    serials = set()
    for part in parts:
        if part["serial"] not in serials:
            npu.add(part)
        if part["serial"]:
            serials.add(part["serial"])
