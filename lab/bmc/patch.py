"""Changing resources by PATCH, as DSP0266 has it: what can be changed is changed, the rest is named.

A property that cannot be changed beside one that can: 200 with extended information. Nothing that can be changed:
400. The ETag was checked before (``http``): a PATCH without a matching If-Match never gets here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lab.bmc.device import Bmc, Refused
from lab.bmc.messages import message
from lab.bmc.odata import MANAGER, SYSTEM, Json, Resource
from lab.bmc.operations import USER_NAME, check_password, keep_an_administrator
from lab.bmc.runtime import ROLES, Account
from lab.bmc.services import ACCOUNTS, SESSION_SERVICE, SUBSCRIPTIONS
from lab.bmc.systems import BIOS_ATTRIBUTES, BOOT_ENABLED, BOOT_MODES, BOOT_TARGETS

Check = Callable[[Any], str | None]  # the key of the message that says what is wrong, None when nothing is
Changes = dict[str, Any]  # "Boot/BootSourceOverrideTarget" -> value


def one_of(*values: str) -> Check:
    return lambda value: None if value in values else "PropertyValueNotInList"


def boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "PropertyValueTypeError"


def text(value: Any) -> str | None:
    if not isinstance(value, str):
        return "PropertyValueTypeError"
    return None if len(value) <= 64 else "PropertyValueFormatError"


def seconds(value: Any) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return "PropertyValueTypeError"
    return None if 30 <= value <= 86400 else "PropertyValueFormatError"


def moment(value: Any) -> str | None:
    try:
        return None if _moment(value) else "PropertyValueFormatError"
    except (ValueError, TypeError):
        return "PropertyValueFormatError"


def _moment(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def user_name(value: Any) -> str | None:
    return None if isinstance(value, str) and USER_NAME.fullmatch(value) else "PropertyValueFormatError"


def password(value: Any) -> str | None:
    try:
        check_password(value)
    except Refused:
        return "PropertyValueFormatError"
    return None


SYSTEM_CHECKS: dict[str, Check] = {
    "AssetTag": text,
    "LocationIndicatorActive": boolean,
    "Boot/BootSourceOverrideTarget": one_of(*BOOT_TARGETS),
    "Boot/BootSourceOverrideEnabled": one_of(*BOOT_ENABLED),
    "Boot/BootSourceOverrideMode": one_of(*BOOT_MODES),
}
ACCOUNT_CHECKS: dict[str, Check] = {
    "UserName": user_name,
    "Password": password,
    "RoleId": one_of(*ROLES),
    "Enabled": boolean,
}


def checks(path: str) -> dict[str, Check]:
    """What may be changed at a path."""
    if path == SYSTEM:
        return SYSTEM_CHECKS
    if path == f"{SYSTEM}/Bios/Settings":
        return {f"Attributes/{key}": text for key in BIOS_ATTRIBUTES}
    if path == MANAGER:
        return {"DateTime": moment}
    if path == SESSION_SERVICE:
        return {"SessionTimeout": seconds}
    if path.startswith(f"{SUBSCRIPTIONS}/"):
        return {"Context": text}
    if path.startswith(f"{ACCOUNTS}/"):
        return ACCOUNT_CHECKS
    return {}


def demand(path: str, account: Account, body: Mapping[str, Any]) -> None:
    """Refused when the account may not change this resource. Everybody may change their own password."""
    needed = "ConfigureManager"
    if path.startswith(SYSTEM):
        needed = "ConfigureComponents"
    elif path.startswith(f"{ACCOUNTS}/"):
        own = path.rpartition("/")[2] == account.identifier and set(body) <= {"Password"}
        needed = "ConfigureSelf" if own else "ConfigureUsers"
    if needed not in account.privileges:
        raise Refused(403, message("InsufficientPrivilege"))


def leaves(body: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``("Boot/BootSourceOverrideTarget", "Pxe")`` for every property but annotations."""
    for key, value in body.items():
        if "@" in key:
            continue
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def sort(path: str, resource: Resource, body: Mapping[str, Any]) -> tuple[Changes, list[Json]]:
    """``(what can be changed, messages about the rest)``. Refused when nothing can."""
    allowed = checks(path)
    good: Changes = {}
    bad: list[Json] = []
    for name, value in leaves(body):
        pointer = [f"#/{name}"]
        if name not in allowed:
            known = _lookup(resource.body, name)
            key = "PropertyNotWritable" if known else "PropertyUnknown"
            bad.append(message(key, name.rpartition("/")[2], related=pointer))
        elif problem := allowed[name](value):
            told = "******" if name == "Password" else value
            bad.append(message(problem, told, name.rpartition("/")[2], related=pointer))
        else:
            good[name] = value
    if not good:
        raise Refused(400, *(bad or [message("NoOperation")]))
    return good, bad


def _lookup(body: Any, name: str) -> bool:
    for key in name.split("/"):
        if not isinstance(body, dict) or key not in body:
            return False
        body = body[key]
    return True


async def perform(bmc: Bmc, path: str, changes: Changes) -> None:
    """Carry out changes that ``sort`` allowed."""
    if path == SYSTEM:
        await bmc.change(lambda node: _change_system(node, changes))
    elif path == f"{SYSTEM}/Bios/Settings":
        wanted = {name.partition("/")[2]: value for name, value in changes.items()}
        await bmc.change(lambda node: _change_bios(node, wanted))
    elif path == MANAGER:
        # Rounded up, so that the clock never shows less than what was set.
        offset = math.ceil((_moment(changes["DateTime"]) - datetime.now(UTC)).total_seconds())
        await bmc.change(lambda node: node["bmc"].update(clock_offset_seconds=offset))
    elif path == SESSION_SERVICE:
        bmc.runtime.session_timeout = changes["SessionTimeout"]
    elif path.startswith(f"{SUBSCRIPTIONS}/"):
        bmc.runtime.subscriptions[path.rpartition("/")[2]].context = changes["Context"]
    else:
        _change_account(bmc, path.rpartition("/")[2], changes)


def _change_system(node: Json, changes: Changes) -> None:
    if "AssetTag" in changes:
        node["asset_tag"] = changes["AssetTag"]
    if "LocationIndicatorActive" in changes:
        node["identify_led"] = "on" if changes["LocationIndicatorActive"] else "off"
    boot = node["boot"]
    target = changes.get("Boot/BootSourceOverrideTarget")
    enabled = changes.get("Boot/BootSourceOverrideEnabled")
    boot["mode"] = changes.get("Boot/BootSourceOverrideMode", boot["mode"])
    if target is not None:
        boot["target"] = target
        if enabled is None and boot["enabled"] == "Disabled":
            enabled = "Once"
    if enabled is not None:
        boot["enabled"] = enabled
    if boot["enabled"] == "Disabled" or boot["target"] == "None":
        boot["enabled"], boot["target"] = "Disabled", "None"


def _change_bios(node: Json, wanted: dict[str, str]) -> None:
    bios = node["bios"]
    pending = {**bios.get("pending_attributes", {}), **wanted}
    current = {**BIOS_ATTRIBUTES, **bios.get("attributes", {})}
    bios["pending_attributes"] = {key: value for key, value in pending.items() if current.get(key) != value}


def _change_account(bmc: Bmc, identifier: str, changes: Changes) -> None:
    runtime = bmc.runtime
    account = runtime.accounts[identifier]
    if changes.get("Enabled") is False or changes.get("RoleId", "Administrator") != "Administrator":
        keep_an_administrator(bmc, identifier)
    other = runtime.find_account(changes["UserName"]) if "UserName" in changes else None
    if other is not None and other is not account:
        raise Refused(400, message("ResourceAlreadyExists", changes["UserName"]))
    account.user = changes.get("UserName", account.user)
    account.role = changes.get("RoleId", account.role)
    account.enabled = changes.get("Enabled", account.enabled)
    if "Password" in changes:
        account.set_password(changes["Password"])
        # Whoever was logged in with the old password is no longer.
        for session in [item for item in runtime.sessions.values() if item.account is account]:
            del runtime.sessions[session.identifier]
