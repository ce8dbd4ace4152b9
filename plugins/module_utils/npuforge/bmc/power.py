"""The power button as a plan: which requests bring a system from what it shows to what is wanted.

Pure: ``plan`` needs only the system's document, so a plan made in check mode equals that of the real run.
"""

from __future__ import annotations

from typing import NamedTuple

from ..common import Document, as_dict, as_list, as_text
from .plan import COLLECTION as _COLLECTION
from .tree import Tree
from .wire import link

STATES = ("on", "off", "graceful_off", "cycle", "graceful_restart")
BOOT_ONCE = {"none": "None", "pxe": "Pxe", "cd": "Cd", "hdd": "Hdd", "bios": "BiosSetup"}

# Reset types that do what is wanted, best first (DSP0268 ResetType).
_RESETS = {
    "on": ("On", "ForceOn", "PushPowerButton"),
    "off": ("ForceOff",),
    "graceful_off": ("GracefulShutdown",),
    "cycle": ("PowerCycle", "ForceRestart", "ForcePowerCycle"),
    "graceful_restart": ("GracefulRestart",),
}
_POWER = {"on": "on", "poweringon": "on", "off": "off", "poweringoff": "off"}


class Refused(Exception):
    """The plan cannot be made; the text says why and what would help."""


class System(NamedTuple):
    """What a plan needs to know of the machine."""

    uri: str
    document: Document
    reset_target: str | None
    reset_types: list[str]

    @property
    def power(self) -> str | None:
        return power_of(self.document)


def power_of(document: Document) -> str | None:
    """``on``, ``off`` or ``None`` when PowerState tells nothing."""
    return _POWER.get((as_text(document.get("PowerState")) or "").lower())


def boot_of(document: Document) -> tuple[str, str]:
    """(target, enabled) of the boot override, in the device's words."""
    boot = as_dict(document.get("Boot"))
    target = as_text(boot.get("BootSourceOverrideTarget")) or "None"
    enabled = as_text(boot.get("BootSourceOverrideEnabled")) or "Disabled"
    return target, enabled


def find_system(tree: Tree, wanted_id: str | None) -> System:
    """The one system that can be reset. Raises ``Refused`` when there is none, or several and no id says which."""
    found = []
    for uri, document in tree.role("system"):
        action = as_dict(as_dict(document.get("Actions")).get("#ComputerSystem.Reset"))
        if action and wanted_id in (None, as_text(document.get("Id"))):
            found.append((uri, document, action))
    if not found:
        named = f" with id {wanted_id}" if wanted_id else ""
        raise Refused(f"the BMC shows no system{named} that can be reset")
    if len(found) > 1:
        ids = ", ".join(as_text(document.get("Id")) or uri for uri, document, _ in found)
        raise Refused(f"the BMC serves several systems ({ids}): system_id must say which")
    uri, document, action = found[0]
    return System(uri, document, _target(action), _allowed(tree, action))


def _target(action: Document) -> str | None:
    return link({"@odata.id": action.get("target")})


def _allowed(tree: Tree, action: Document) -> list[str]:
    """The allowed reset types, from the action or from its ActionInfo resource; empty when the BMC tells none."""
    listed = as_list(action.get("ResetType@Redfish.AllowableValues"))
    if not listed:
        info = action.get("@Redfish.ActionInfo")
        for parameter in as_list(tree.get(info if isinstance(info, str) else None).get("Parameters")):
            if as_dict(parameter).get("Name") == "ResetType":
                listed = as_list(as_dict(parameter).get("AllowableValues"))
    return [value for value in listed if isinstance(value, str)]


def reading_of(role: str, document: Document) -> list[tuple[str, str]]:
    """What a power plan reads: the systems, and what explains their reset action."""
    if role == "system" + _COLLECTION:
        return [("system", uri) for uri in (link(item) for item in as_list(document.get("Members"))) if uri]
    if role == "system":
        action = as_dict(as_dict(document.get("Actions")).get("#ComputerSystem.Reset"))
        uri = link({"@odata.id": action.get("@Redfish.ActionInfo")})
        return [("actioninfo", uri)] if uri else []
    return []


def plan(system: System, state: str | None, boot_once: str | None) -> list[Document]:
    """The steps, in order: ``[{do, method, uri, body, expect}]``; empty when everything already is as wanted.

    ``expect`` is what the read-back must show: ``{"power": "on"}`` or ``{"boot": [target, enabled]}``.
    Raises ``Refused`` when the machine cannot do it.
    """
    steps = []
    if boot_once is not None:
        steps += _boot_steps(system, boot_once)
    if state is not None:
        steps += _power_steps(system, state)
    return steps


def _boot_steps(system: System, boot_once: str) -> list[Document]:
    target = BOOT_ONCE[boot_once]
    enabled = "Disabled" if boot_once == "none" else "Once"
    now = boot_of(system.document)
    if now == (target, enabled) or (boot_once == "none" and now[1] == "Disabled"):
        return []
    allowed = as_list(as_dict(system.document.get("Boot")).get("BootSourceOverrideTarget@Redfish.AllowableValues"))
    if allowed and target not in allowed:
        told = ", ".join(str(item) for item in allowed)
        raise Refused(f"the BMC cannot boot once from {target}; it allows {told}")
    body = {"Boot": {"BootSourceOverrideTarget": target, "BootSourceOverrideEnabled": enabled}}
    return [_step("boot_override", "PATCH", system.uri, body, {"boot": [target, enabled]})]


def _power_steps(system: System, state: str) -> list[Document]:
    now = system.power
    if now is None:
        raise Refused("the BMC does not tell whether the machine is on: nothing was done")
    wanted = "off" if state in ("off", "graceful_off") else "on"
    if state in ("on", "off", "graceful_off") and now == wanted:
        return []
    # A machine that is off cannot be cycled; switching it on is what is left of it.
    kind = "on" if now == "off" else state
    choices = (
        [name for name in _RESETS[kind] if name in system.reset_types] if system.reset_types else [_RESETS[kind][0]]
    )
    if not choices:
        told = ", ".join(system.reset_types)
        raise Refused(f"the BMC offers no reset type for {state}; it allows {told}")
    if system.reset_target is None:
        raise Refused("the BMC tells no target for the reset action")
    return [_step("reset", "POST", system.reset_target, {"ResetType": choices[0]}, {"power": wanted})]


def _step(do: str, method: str, uri: str, body: Document, expect: Document) -> Document:
    return {"do": do, "method": method, "uri": uri, "body": body, "expect": expect}


def shown(document: Document) -> Document:
    """What a diff shows of a system."""
    target, enabled = boot_of(document)
    return {"power": power_of(document), "boot": {"target": target, "enabled": enabled}}


def after(document: Document, steps: list[Document]) -> Document:
    """What ``shown`` will be once the steps are done."""
    result = shown(document)
    for step in steps:
        if "power" in step["expect"]:
            result["power"] = step["expect"]["power"]
        if "boot" in step["expect"]:
            target, enabled = step["expect"]["boot"]
            result["boot"] = {"target": target, "enabled": enabled}
    return result
