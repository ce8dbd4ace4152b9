"""What a client can do: create and delete sessions, accounts and subscriptions, and the actions."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.bmc import fetch
from lab.bmc.device import Bmc, Refused
from lab.bmc.managers import CONTROL, MEDIA, UPDATE
from lab.bmc.messages import message
from lab.bmc.odata import MANAGER, SYSTEM, Json
from lab.bmc.runtime import MAX_PASSWORD, MIN_PASSWORD, ROLES, Account, Subscription, Task, stamp
from lab.bmc.services import (
    ACCOUNTS,
    EVENT_SERVICE,
    MONITORS,
    SESSIONS,
    SUBSCRIPTIONS,
    account_body,
    session_body,
    subscription_body,
    task_body,
)
from lab.bmc.systems import RESET_TYPES

MAX_SUBSCRIPTIONS = 8
USER_NAME = re.compile(r"[A-Za-z0-9._@-]{1,32}")
# An image for the simulated machines is a text whose first line names what it is for.
FIRMWARE = re.compile(rb"npuforge-twin-firmware component=(ActiveBMC|Bios) version=([0-9A-Za-z._-]{1,32})\s")


@dataclass
class Reply:
    """An answer; a body of None is 204."""

    status: int = 204
    body: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One authenticated request: who asks, with what, from where."""

    bmc: Bmc
    account: Account
    body: Mapping[str, Any]
    origin: str

    def need(self, *keys: str) -> None:
        """Refused when a property is missing, naming all of them."""
        if missing := [key for key in keys if self.body.get(key) in (None, "")]:
            raise Refused(400, *(message("PropertyMissing", key, related=[f"#/{key}"]) for key in missing))

    def parameter(self, action: str, key: str) -> Any:
        if (value := self.body.get(key)) in (None, ""):
            raise Refused(400, message("ActionParameterMissing", action, key))
        return value


Operation = Callable[[Call], Awaitable[Reply]]


def created(path: str, body: Json, **headers: str) -> Reply:
    return Reply(201, body, {"Location": path, **headers})


def check_password(value: object) -> None:
    """Refused unless it is a text of the allowed length. The value is not repeated in the answer."""
    if not isinstance(value, str) or not MIN_PASSWORD <= len(value) <= MAX_PASSWORD:
        raise Refused(400, message("PropertyValueFormatError", "******", "Password", related=["#/Password"]))


async def log_in(bmc: Bmc, body: Mapping[str, Any], origin: str) -> Reply:
    """The one operation without credentials of its own."""
    user, password = body.get("UserName"), body.get("Password")
    missing = [key for key in ("UserName", "Password") if not isinstance(body.get(key), str)]
    if missing:
        raise Refused(400, *(message("PropertyMissing", key) for key in missing))
    rejected = bmc.truth["bmc"]["reject_password"]
    account = None if rejected else bmc.runtime.log_in(str(user), str(password))
    if account is None:
        bmc.runtime.note("-", "A login was refused.", "Warning")
        raise Refused(401, message("AccessUnauthorized"))
    session = bmc.runtime.open_session(account, origin)
    # xFusion's and Huawei's own Ansible modules learn the vendor's OEM key from the answer to this request.
    representation = {**session_body(bmc.runtime, session.identifier), "Oem": {bmc.context.oem_key: {}}}
    path = f"{SESSIONS}/{session.identifier}"
    return created(path, representation, **{"X-Auth-Token": session.token})


async def add_account(call: Call) -> Reply:
    call.need("UserName", "Password", "RoleId")
    user, role = call.body["UserName"], call.body["RoleId"]
    if not isinstance(user, str) or not USER_NAME.fullmatch(user):
        raise Refused(400, message("PropertyValueFormatError", user, "UserName", related=["#/UserName"]))
    if role not in ROLES:
        raise Refused(400, message("PropertyValueNotInList", role, "RoleId", related=["#/RoleId"]))
    check_password(call.body["Password"])
    runtime = call.bmc.runtime
    if runtime.find_account(user):
        raise Refused(400, message("ResourceAlreadyExists", user))
    try:
        account = runtime.add_account(user, call.body["Password"], role)
    except ValueError as problem:
        raise Refused(400, message("ResourceInUse", problem)) from problem
    account.enabled = bool(call.body.get("Enabled", True))
    runtime.note(call.account.user, f"Account {user} was created.")
    return created(f"{ACCOUNTS}/{account.identifier}", account_body(runtime, account.identifier))


async def subscribe(call: Call) -> Reply:
    call.need("Destination")
    destination = call.body["Destination"]
    if not fetch.usable(destination):
        pointer = ["#/Destination"]
        raise Refused(400, message("PropertyValueFormatError", destination, "Destination", related=pointer))
    if call.body.get("Protocol", "Redfish") != "Redfish":
        raise Refused(400, message("PropertyValueNotInList", call.body["Protocol"], "Protocol"))
    runtime = call.bmc.runtime
    if len(runtime.subscriptions) >= MAX_SUBSCRIPTIONS:
        raise Refused(400, message("ResourceInUse", "all subscriptions are taken"))
    headers: dict[str, str] = {}
    for item in call.body.get("HttpHeaders") or []:
        if isinstance(item, dict):
            headers |= {str(key): str(value) for key, value in item.items()}
    identifier = str(runtime.number("subscription"))
    context = call.body.get("Context")
    runtime.subscriptions[identifier] = Subscription(
        identifier, destination, str(context) if context is not None else None, headers
    )
    return created(f"{SUBSCRIPTIONS}/{identifier}", subscription_body(runtime, identifier))


async def reset_system(call: Call) -> Reply:
    kind = call.parameter("ComputerSystem.Reset", "ResetType")
    if kind not in RESET_TYPES:
        raise Refused(400, message("ActionParameterValueFormatError", kind, "ResetType", "ComputerSystem.Reset"))
    action = RESET_TYPES[kind]
    if kind == "PushPowerButton" and call.bmc.truth["power"] != "on":
        action = "on"
    call.bmc.runtime.note(call.account.user, f"System reset: {kind}.")
    await call.bmc.power(action)
    return Reply()


async def reset_manager(call: Call) -> Reply:
    kind = call.body.get("ResetType", "ForceRestart")
    if kind not in ("GracefulRestart", "ForceRestart"):
        raise Refused(400, message("ActionParameterValueFormatError", kind, "ResetType", "Manager.Reset"))
    call.bmc.runtime.note(call.account.user, "The BMC was restarted.")
    call.bmc.restart()
    return Reply()


async def reset_bios(call: Call) -> Reply:
    def forget(node: Json) -> None:
        node["bios"].pop("attributes", None)
        node["bios"].pop("pending_attributes", None)

    await call.bmc.change(forget)
    call.bmc.runtime.note(call.account.user, "The BIOS settings were reset.")
    return Reply()


async def clear_log(call: Call) -> Reply:
    await call.bmc.change(lambda node: node.update(log=[]))
    call.bmc.runtime.note(call.account.user, "The system event log was cleared.")
    return Reply()


async def insert_media(call: Call) -> Reply:
    """Reads the image to its end, as the machine would while it boots from it, and remembers its fingerprint."""
    uri = call.parameter("VirtualMedia.InsertMedia", "Image")
    if not fetch.usable(uri):
        raise Refused(400, message("ActionParameterValueFormatError", uri, "Image", "VirtualMedia.InsertMedia"))
    if call.bmc.truth["virtual_media"]["inserted"]:
        raise Refused(409, message("ResourceInUse", "an image is inserted already; eject it first"))
    image = await _fetch(call, uri)
    inserted = {"image": uri, "inserted": True, "sha256": image.sha256, "size_bytes": image.size_bytes}
    await call.bmc.change(lambda node: node.update(virtual_media=inserted))
    call.bmc.runtime.note(call.account.user, "A virtual CD was inserted.")
    return Reply()


async def eject_media(call: Call) -> Reply:
    empty = {"image": None, "inserted": False, "sha256": None, "size_bytes": None}
    await call.bmc.change(lambda node: node.update(virtual_media=empty))
    call.bmc.runtime.note(call.account.user, "The virtual CD was ejected.")
    return Reply()


async def control_media(call: Call) -> Reply:
    """iBMC's VmmControl: a task. ``bmc.media_fails_times`` connections fail first, as they do there for no reason."""
    kind = call.parameter("VirtualMedia.VmmControl", "VmmControlType")
    if not call.bmc.truth["bmc"].get("media_control"):
        raise Refused(404, message("ResourceMissingAtURI", CONTROL))
    if kind not in ("Connect", "Disconnect"):
        raise Refused(400, message("ActionParameterValueFormatError", kind, "VmmControlType", "VmmControl"))
    if kind == "Connect":
        call.parameter("VirtualMedia.VmmControl", "Image")
    task = call.bmc.runtime.new_task("vmm connect task" if kind == "Connect" else "vmm disconnect task")
    call.bmc.background(_control(call, task, kind))
    return Reply(202, task_body(task), {"Location": f"{MONITORS}/{task.identifier}"})


async def _control(call: Call, task: Task, kind: str) -> None:
    def fails(node: Json) -> bool:
        left = int(node["bmc"].get("media_fails_times") or 0)
        node["bmc"]["media_fails_times"] = max(0, left - 1)
        return left > 0

    try:
        if kind == "Connect" and await call.bmc.change(fails):
            task.finish("Exception", message("GeneralError", "the connection failed. Please try again."))
            return
        await (insert_media(call) if kind == "Connect" else eject_media(call))
    except Refused as refused:
        task.finish("Exception", refused.body["error"]["@Message.ExtendedInfo"][0])
        return
    task.finish("Completed", message("Success"))


async def _fetch(call: Call, uri: str) -> fetch.Image:
    if call.bmc.client is None:
        raise Refused(503, message("ServiceTemporarilyUnavailable", 1), headers={"Retry-After": "1"})
    try:
        return await fetch.image(call.bmc.client, uri)
    except fetch.FetchError as problem:
        raise Refused(400, message("CouldNotEstablishConnection", uri, problem)) from problem


async def simple_update(call: Call) -> Reply:
    uri = call.parameter("UpdateService.SimpleUpdate", "ImageURI")
    if not fetch.usable(uri):
        raise Refused(400, message("ActionParameterValueFormatError", uri, "ImageURI", "UpdateService.SimpleUpdate"))
    task = call.bmc.runtime.new_task("Firmware update")
    call.bmc.runtime.note(call.account.user, "A firmware update was started.")
    call.bmc.background(_update(call, task, uri))
    return Reply(202, task_body(task), {"Location": f"{MONITORS}/{task.identifier}", "Retry-After": "1"})


async def _update(call: Call, task: Task, uri: str) -> None:
    try:
        image = await _fetch(call, uri)
    except Refused as refused:
        task.finish("Exception", refused.body["error"]["@Message.ExtendedInfo"][0])
        return
    task.percent = 50
    found = FIRMWARE.match(image.head)
    if not found:
        task.finish("Exception", message("OperationFailed", "the image is not for this machine"))
        return
    component, version = (text.decode() for text in found.groups())

    def install(node: Json) -> None:
        if component == "ActiveBMC":
            node["bmc"]["firmware"] = version
        elif node["power"] == "on":
            node["bios"]["pending_version"] = version  # takes effect at the next boot
        else:
            node["bios"]["version"] = version

    await call.bmc.change(install)
    task.finish("Completed", message("Success"))


async def submit_test_event(call: Call) -> Reply:
    text = str(call.body.get("Message") or "A test event was submitted.")
    call.bmc.publish(
        {
            "severity": "OK",
            "sensor": "Test",
            "message": text,
            "time": stamp(),
            "message_id": str(call.body.get("MessageId") or "ResourceEvent.1.3.TestMessage"),
        }
    )
    return Reply()


# path -> (operation, privilege)
POSTS: dict[str, tuple[Operation, str]] = {
    ACCOUNTS: (add_account, "ConfigureUsers"),
    SUBSCRIPTIONS: (subscribe, "ConfigureManager"),
    f"{SYSTEM}/Actions/ComputerSystem.Reset": (reset_system, "ConfigureComponents"),
    f"{SYSTEM}/Bios/Actions/Bios.ResetBios": (reset_bios, "ConfigureComponents"),
    f"{SYSTEM}/LogServices/Log1/Actions/LogService.ClearLog": (clear_log, "ConfigureManager"),
    f"{MANAGER}/Actions/Manager.Reset": (reset_manager, "ConfigureManager"),
    f"{MEDIA}/Actions/VirtualMedia.InsertMedia": (insert_media, "ConfigureManager"),
    f"{MEDIA}/Actions/VirtualMedia.EjectMedia": (eject_media, "ConfigureManager"),
    **{f"{MEDIA}/Oem/{key}/{CONTROL}": (control_media, "ConfigureManager") for key in ("Huawei", "Public")},
    f"{UPDATE}/Actions/UpdateService.SimpleUpdate": (simple_update, "ConfigureComponents"),
    f"{EVENT_SERVICE}/Actions/EventService.SubmitTestEvent": (submit_test_event, "ConfigureManager"),
}
# The specification lets a client post to a collection's Members as well.
POSTS |= {f"{path}/Members": POSTS[path] for path in (ACCOUNTS, SUBSCRIPTIONS)}


def delete(call: Call, path: str) -> Reply:
    """Delete a session, an account or a subscription that exists. Refused when the account may not."""
    runtime = call.bmc.runtime
    base, _, identifier = path.rpartition("/")
    if base == SESSIONS:
        mine = runtime.sessions[identifier].account is call.account
        _demand(call.account, "ConfigureSelf" if mine else "ConfigureManager")
        del runtime.sessions[identifier]
    elif base == ACCOUNTS:
        _demand(call.account, "ConfigureUsers")
        keep_an_administrator(call.bmc, identifier)
        runtime.note(call.account.user, f"Account {runtime.accounts[identifier].user} was deleted.")
        del runtime.accounts[identifier]
        runtime.expire_sessions()
    else:
        _demand(call.account, "ConfigureManager")
        del runtime.subscriptions[identifier]
    return Reply()


def keep_an_administrator(bmc: Bmc, identifier: str) -> None:
    """Refused when nobody could manage the BMC without this account."""
    others = [
        account
        for account in bmc.runtime.accounts.values()
        if account.identifier != identifier and account.role == "Administrator" and account.enabled
    ]
    if not others:
        raise Refused(409, message("ResourceInUse", "it is the last enabled administrator"))


def _demand(account: Account, privilege: str) -> None:
    if privilege not in account.privileges:
        raise Refused(403, message("InsufficientPrivilege"))
