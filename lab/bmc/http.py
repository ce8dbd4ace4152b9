"""The HTTP side of a BMC: from a request to an answer, with every misbehaviour that the truth asks for."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from typing import Any

from aiohttp import web

from lab.bmc import operations, patch, tree
from lab.bmc.device import Bmc, Refused
from lab.bmc.messages import error, message
from lab.bmc.odata import ROOT, Json, Resource, etag
from lab.bmc.operations import POSTS, Call
from lab.bmc.runtime import Account
from lab.bmc.services import ACCOUNTS, MONITORS, SESSIONS, task_body

LOGGER = logging.getLogger("lab.bmc")
SCHEMAS = "http://redfish.dmtf.org/schemas/v1"
PUBLIC = ("/redfish", ROOT, f"{ROOT}/odata", f"{ROOT}/$metadata")  # readable without credentials (DSP0266)
METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
MAX_MEMBERS = 1000  # of a collection in one answer; larger ones are continued by Members@odata.nextLink


async def handle(bmc: Bmc, request: web.BaseRequest, latency: float | None) -> web.Response:
    """Answer one request. ``latency`` in seconds replaces the node's own when it is not None."""
    try:
        bmc.refresh()
        await asyncio.sleep(max(0.0, bmc.truth["bmc"]["latency_seconds"] or 0.0) if latency is None else latency)
        bmc.refresh()
        path = request.path.rstrip("/") or "/"
        await _unavailable(bmc)
        return await _answer(bmc, request, path)
    except Refused as refused:
        return _response(refused.status, refused.body, refused.headers)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:
        # A defect of ours must look like a BMC's defect to the client, and be found in our log.
        LOGGER.exception("%s: %s %s", bmc.name, request.method, request.path)
        return _response(500, error(message("GeneralError", "internal error")))


async def _unavailable(bmc: Bmc) -> None:
    """The first requests are refused as long as the truth says so; each refusal counts down."""
    if not bmc.truth["bmc"]["unavailable_times"]:
        return

    def count_down(node: Json) -> bool:
        left = int(node["bmc"]["unavailable_times"] or 0)
        node["bmc"]["unavailable_times"] = max(0, left - 1)
        return left > 0

    if await bmc.change(count_down):
        raise Refused(503, message("ServiceTemporarilyUnavailable", 1), headers={"Retry-After": "1"})


async def _answer(bmc: Bmc, request: web.BaseRequest, path: str) -> web.Response:
    method = request.method
    if method not in METHODS:
        raise Refused(501, message("OperationNotAllowed"))
    if request.headers.get("OData-Version", "4.0") != "4.0":
        raise Refused(412, message("HeaderInvalid", "OData-Version"))
    if method == "POST" and path in (SESSIONS, f"{SESSIONS}/Members"):
        reply = await operations.log_in(bmc, await _json(request), request.remote or "")
        return _response(reply.status, reply.body, reply.headers)
    account = None
    if not (path in PUBLIC and method in ("GET", "HEAD")):
        account = _authenticate(bmc, request)
    behaviour = bmc.truth["bmc"]
    if _listed(path, behaviour["missing_paths"]):
        raise Refused(404, message("ResourceMissingAtURI", path))
    if _listed(path, behaviour["error_body_paths"]):
        return _response(200, error(message("GeneralError", "the resource could not be read")))
    if method in ("GET", "HEAD"):
        return _read(bmc, request, path, account)
    if account is None:
        raise Refused(405, message("OperationNotAllowed"), headers={"Allow": "GET, HEAD"})
    if method == "POST":
        return await _post(bmc, request, path, account)
    return await _modify(bmc, request, path, account)


def _listed(path: str, paths: list[str]) -> bool:
    return any(path.lower() == str(item).rstrip("/").lower() for item in paths or [])


# --- who asks


def _authenticate(bmc: Bmc, request: web.BaseRequest) -> Account:
    if token := request.headers.get("X-Auth-Token"):
        session = bmc.runtime.session_of(token)
        if session:
            return session.account
        raise _unauthorized("NoValidSession")
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, word = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _unauthorized("AccessUnauthorized") from None
        account = None if bmc.truth["bmc"]["reject_password"] else bmc.runtime.log_in(user, word)
        if account:
            return account
        raise _unauthorized("AccessUnauthorized")
    raise _unauthorized("NoValidSession")


def _unauthorized(key: str) -> Refused:
    return Refused(401, message(key), headers={"WWW-Authenticate": 'Basic realm="BMC"'})


# --- reading


def _read(bmc: Bmc, request: web.BaseRequest, path: str, account: Account | None) -> web.Response:
    if path == "/redfish":
        return _response(200, {"v1": f"{ROOT}/"}, {"Allow": "GET, HEAD"})
    if path == f"{ROOT}/$metadata":
        return _text(tree.metadata_document(), "application/xml")
    if path.startswith(f"{MONITORS}/"):
        return _monitor(bmc, path)
    resource = bmc.find(path) if path != f"{ROOT}/odata" else None
    if path == f"{ROOT}/odata":
        root = bmc.find(ROOT)
        return _response(200, tree.odata_document(root.body if root else {}), {"Allow": "GET, HEAD"})
    if resource is None:
        if path in POSTS:
            raise Refused(405, message("OperationNotAllowed"), headers={"Allow": "POST"})
        raise Refused(404, message("ResourceMissingAtURI", path))
    if account is not None and path.startswith(f"{ACCOUNTS}/"):
        own = path.rpartition("/")[2] == account.identifier
        if not own and not {"ConfigureUsers", "ConfigureManager"} & set(account.privileges):
            raise Refused(403, message("InsufficientPrivilege"))
    tag = etag(resource.body)
    body = _page(_finished(bmc, resource, tag), request)
    headers = {**_described(resource), "ETag": tag, "Allow": ", ".join(resource.allow)}
    if tag in [item.strip() for item in request.headers.get("If-None-Match", "").split(",")]:
        return _response(304, None, headers)
    return _response(200, body, headers)


def _finished(bmc: Bmc, resource: Resource, tag: str) -> Json:
    """The representation with what is only known now: its ETag and the BMC's clock."""
    body = {**resource.body, "@odata.etag": tag}
    if "DateTime" in body:
        body["DateTime"] = bmc.clock()
    return body


def _described(resource: Resource) -> dict[str, str]:
    schema = resource.body["@odata.type"].lstrip("#").rpartition(".")[0]
    return {"Link": f"<{SCHEMAS}/{schema}.json>; rel=describedby"}


def _page(body: Json, request: web.BaseRequest) -> Json:
    """$top and $skip for collections; every other $ parameter is not implemented (DSP0266, query parameters)."""
    numbers = {"$skip": 0, "$top": MAX_MEMBERS}
    for key, value in request.query.items():
        if key not in numbers:
            if key.startswith("$"):
                raise Refused(501, message("QueryParameterUnsupported", key))
            continue
        if "Members" not in body:
            raise Refused(400, message("QueryParameterUnsupported", key))
        if not value.isdecimal():
            raise Refused(400, message("QueryParameterValueFormatError", value, key))
        numbers[key] = int(value)
    if "Members" not in body:
        return body
    first, count = numbers["$skip"], min(numbers["$top"], MAX_MEMBERS)
    members = body["Members"]
    shown = {**body, "Members": members[first : first + count]}
    if "$top" not in request.query and first + count < len(members):
        shown["Members@odata.nextLink"] = f"{body['@odata.id']}?$skip={first + count}"
    return shown


def _monitor(bmc: Bmc, path: str) -> web.Response:
    task = bmc.runtime.tasks.get(path.rpartition("/")[2])
    if task is None:
        raise Refused(404, message("ResourceMissingAtURI", path))
    if not task.over:
        return _response(202, task_body(task), {"Location": path, "Retry-After": "1"})
    if task.state == "Completed":
        return _response(204, None)
    return _response(400, error(*task.messages))


# --- changing


async def _json(request: web.BaseRequest) -> Json:
    try:
        body: Any = json.loads(await request.read() or b"{}")
    except ValueError:
        raise Refused(400, message("MalformedJSON")) from None
    if not isinstance(body, dict):
        raise Refused(400, message("MalformedJSON"))
    return body


async def _post(bmc: Bmc, request: web.BaseRequest, path: str, account: Account) -> web.Response:
    known = path if path in POSTS else next((item for item in POSTS if item.lower() == path.lower()), None)
    if known is None:
        raise _not_allowed(bmc, path)
    operation, privilege = POSTS[known]
    if privilege not in account.privileges:
        raise Refused(403, message("InsufficientPrivilege"))
    reply = await operation(Call(bmc, account, await _json(request), request.remote or ""))
    return _response(reply.status, reply.body, reply.headers)


async def _modify(bmc: Bmc, request: web.BaseRequest, path: str, account: Account) -> web.Response:
    body = await _json(request) if request.method == "PATCH" else {}
    async with bmc.changing:
        resource = bmc.find(path)
        if resource is None or request.method not in resource.allow:
            raise _not_allowed(bmc, path)
        path = str(resource.body["@odata.id"])
        if request.method == "PATCH":
            return await _patch(bmc, request, resource, body, account)
        reply = operations.delete(Call(bmc, account, {}, request.remote or ""), path)
        return _response(reply.status, reply.body, reply.headers)


async def _patch(bmc: Bmc, request: web.BaseRequest, resource: Resource, body: Json, account: Account) -> web.Response:
    """Runs while ``bmc.changing`` is held: of two writers with one ETag, one wins and the other gets 412."""
    path = str(resource.body["@odata.id"])
    patch.demand(path, account, body)
    # iBMC and openUBMC answer 412 also when If-Match is missing (ansible/ansible#60031); DSP0266 would have 428.
    wanted = [item.strip() for item in request.headers.get("If-Match", "").split(",")]
    if "*" not in wanted and etag(resource.body) not in wanted:
        raise Refused(412, message("PreconditionFailed"))
    changes, complaints = patch.sort(path, resource, body)
    await patch.perform(bmc, path, changes)
    bmc.runtime.note(account.user, f"{path} was changed: {', '.join(sorted(changes))}.")
    after = bmc.find(path) or resource
    tag = etag(after.body)
    answer = _finished(bmc, after, tag)
    if complaints:
        answer["@Message.ExtendedInfo"] = complaints
    return _response(200, answer, {**_described(after), "ETag": tag, "Allow": ", ".join(after.allow)})


def _not_allowed(bmc: Bmc, path: str) -> Refused:
    resource = bmc.find(path)
    allow = ", ".join(resource.allow) if resource else "POST" if path in POSTS else ""
    if not allow:
        return Refused(404, message("ResourceMissingAtURI", path))
    return Refused(405, message("OperationNotAllowed"), headers={"Allow": allow})


# --- answers


def _response(status: int, body: Json | None, headers: dict[str, str] | None = None) -> web.Response:
    shown = {"OData-Version": "4.0", "Cache-Control": "no-cache", **(headers or {})}
    if body is None:
        return web.Response(status=status, headers=shown)
    payload = json.dumps(body, ensure_ascii=False).encode()
    return web.Response(status=status, body=payload, headers=shown, content_type="application/json", charset="utf-8")


def _text(content: str, kind: str) -> web.Response:
    headers = {"OData-Version": "4.0", "Cache-Control": "no-cache", "Allow": "GET, HEAD"}
    return web.Response(text=content, headers=headers, content_type=kind, charset="utf-8")
