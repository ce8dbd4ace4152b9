"""Virtual media as a plan: which requests bring a BMC's virtual CD from what it shows to what is wanted.

Pure: a plan needs only the documents that were read, so one made in check mode equals that of the real run.

Two ways to insert an image are known: the standard's ``#VirtualMedia.InsertMedia`` (DSP0268), and
``#VirtualMedia.VmmControl`` below ``Oem.<vendor>.Actions`` of iBMC and what descends from it (xFusion, H3C), which
takes ``{"VmmControlType": "Connect", "Image": uri}`` and answers with a task. The standard is taken where it is
offered. Public reports of an iBMC 6.41 say that its VmmControl refuses http ("FileTransferProtocolMismatch": NFS and
CIFS only), and that a Connect may fail for no reason and succeed when it is asked again.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple
from urllib.parse import urlsplit

from ..common import Document, as_dict, as_list, as_text
from . import power
from .plan import COLLECTION, Wanted
from .tree import Tree
from .wire import link

INSERT, EJECT, CONTROL = "#VirtualMedia.InsertMedia", "#VirtualMedia.EjectMedia", "#VirtualMedia.VmmControl"
STATES = ("inserted", "ejected")
_DISCS = ("CD", "DVD")
Refused = power.Refused


class Drive(NamedTuple):
    """One virtual drive that takes optical discs. ``actions``: what it can be asked to do, with the action's object."""

    uri: str
    document: Document
    actions: dict[str, Document]

    @property
    def name(self) -> str:
        return as_text(self.document.get("Id")) or self.uri.rsplit("/", 1)[-1]


def follow(role: str, document: Document) -> list[Wanted]:
    """What a media plan reads: the virtual drives of managers and of systems (where newer BMCs have them)."""
    if role in ("system" + COLLECTION, "manager" + COLLECTION):
        members = (link(item) for item in as_list(document.get("Members")))
        return [(role[:-1], uri) for uri in members if uri]
    if role in ("system", "manager"):
        uri = link(document.get("VirtualMedia"))
        return [("media" + COLLECTION, uri)] if uri else []
    if role == "media" + COLLECTION:
        return [("media", uri) for uri in (link(item) for item in as_list(document.get("Members"))) if uri]
    return []


def shown(document: Document) -> Document:
    """``{image, inserted}`` of a virtual drive. Some BMCs show an image and no ``Inserted``, or the reverse."""
    image = as_text(document.get("Image"))
    inserted = document.get("Inserted")
    if not isinstance(inserted, bool):
        via = as_text(document.get("ConnectedVia"))
        inserted = via not in (None, "NotConnected") if "ConnectedVia" in document else image is not None
    return {"image": image if inserted else None, "inserted": inserted}


def find_drive(tree: Tree, wanted_id: str | None) -> Drive:
    """The virtual drive to use: the one with the id, or the first for discs that can be asked to take an image.

    Raises ``Refused`` when there is none.
    """
    seen, fitting = [], []
    for uri, document in tree.role("media"):
        drive = Drive(uri, document, dict(_actions(document)))
        seen.append(drive.name)
        if wanted_id is not None:
            if drive.name.lower() == wanted_id.lower():
                fitting.append(drive)
        elif _takes_discs(drive):
            fitting.append(drive)
    able = [drive for drive in fitting if INSERT in drive.actions or CONTROL in drive.actions]
    if able:
        return able[0]
    unread = "; ".join(f"{uri}: {problem}" for uri, problem in [*tree.unread("media*"), *tree.unread("media")])
    if fitting:
        raise Refused(f"virtual drive {fitting[0].name} offers no action that inserts an image{_more(unread)}")
    asked = f"named {wanted_id}" if wanted_id else "for discs"
    there = ", ".join(seen) or "none"
    raise Refused(f"the BMC shows no virtual drive {asked} (it shows: {there}){_more(unread)}")


def _more(unread: str) -> str:
    return f"; not read: {unread}" if unread else ""


def _takes_discs(drive: Drive) -> bool:
    types = as_list(drive.document.get("MediaTypes"))
    if types:
        return any(kind in types for kind in _DISCS)
    return any(kind in drive.name.upper() for kind in _DISCS)


def _actions(document: Document) -> Iterator[tuple[str, Document]]:
    """Standard actions first; then those of any vendor's key."""
    places = [as_dict(document.get("Actions"))]
    places += [as_dict(as_dict(vendor).get("Actions")) for vendor in as_dict(document.get("Oem")).values()]
    places.append(as_dict(places[0].get("Oem")))
    found: dict[str, Document] = {}
    for place in places:
        for name in (INSERT, EJECT, CONTROL):
            action = as_dict(place.get(name))
            if name not in found and link({"@odata.id": action.get("target")}):
                found[name] = action
    yield from found.items()


def plan(drive: Drive, state: str, image: str | None = None) -> list[Document]:
    """The steps to a wanted state, in order; empty when it already is so.

    :param state: ``inserted`` (with ``image``, a URI that the BMC can read; another image that is in the drive is
        ejected first) or ``ejected``
    :returns: ``{do: eject|insert, method, uri, body, expect: {image, inserted}}``
    :raises Refused: when the drive cannot do it
    """
    now = shown(drive.document)
    if state == "ejected":
        return [_eject(drive)] if now["inserted"] else []
    if not image:
        raise Refused("no image is given to insert")
    if now["inserted"] and now["image"] == image:
        return []
    steps = [_eject(drive)] if now["inserted"] else []
    return [*steps, _insert(drive, image)]


def _eject(drive: Drive) -> Document:
    name = EJECT if EJECT in drive.actions else CONTROL
    if name not in drive.actions:
        raise Refused(f"virtual drive {drive.name} offers no action that ejects an image")
    body = {} if name == EJECT else {"VmmControlType": "Disconnect"}
    return _step("eject", drive.actions[name], body, {"image": None, "inserted": False})


def _insert(drive: Drive, image: str) -> Document:
    expect = {"image": image, "inserted": True}
    if INSERT not in drive.actions:
        return _step("insert", drive.actions[CONTROL], {"VmmControlType": "Connect", "Image": image}, expect)
    action = drive.actions[INSERT]
    body: Document = {"Image": image}
    scheme = urlsplit(image).scheme.upper()
    protocols = [item for item in as_list(action.get("TransferProtocolType@Redfish.AllowableValues")) if item]
    if protocols and scheme not in protocols:
        told = ", ".join(str(item) for item in protocols)
        raise Refused(f"virtual drive {drive.name} does not read {scheme.lower() or 'such'} images; it allows {told}")
    if protocols:
        body["TransferProtocolType"] = scheme
    return _step("insert", action, body, expect)


def _step(do: str, action: Document, body: Document, expect: Document) -> Document:
    return {"do": do, "method": "POST", "uri": action["target"], "body": body, "expect": expect}


def after(document: Document, steps: list[Document]) -> Document:
    """What ``shown`` will be once the steps are done."""
    return dict(steps[-1]["expect"]) if steps else shown(document)
