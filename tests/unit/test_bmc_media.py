"""Virtual media: the plan as data, its effect on simulated BMCs over HTTPS, and the module as Ansible runs it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bmc_helpers import Handler, sample
from bmc_helpers import serving as serving_documents
from hypothesis import given
from hypothesis import strategies as st
from npuforge.bmc import media, media_run
from npuforge.bmc.apply import Failed
from npuforge.bmc.client import Client
from npuforge.bmc.tree import Tree
from npuforge.bmc.wire import Limits, Reply, Target
from test_bmc_power import module

from lab.bmc.server import Fleet
from lab.world import World
from tests.unit.lab_bmc_helpers import PASSWORD, USER, serving

URI = "/redfish/v1/Managers/1/VirtualMedia/CD"
INSERT = {"target": f"{URI}/Actions/VirtualMedia.InsertMedia"}
EJECT = {"target": f"{URI}/Actions/VirtualMedia.EjectMedia"}
STANDARD = {media.INSERT: INSERT, media.EJECT: EJECT}
CONTROL = {media.CONTROL: {"target": f"{URI}/Oem/Huawei/Actions/VirtualMedia.VmmControl"}}


def tree_of(*documents: Any) -> Tree:
    tree = Tree()
    for number, document in enumerate(documents):
        uri = f"/redfish/v1/Managers/1/VirtualMedia/{number}"
        tree.want("media", uri, "")
        tree.add(Reply(uri, 200, document))
    return tree


def drive(actions: Any = None, **shown: Any) -> media.Drive:
    body = {"Id": "CD", "MediaTypes": ["CD", "DVD"], "Actions": STANDARD if actions is None else actions, **shown}
    return media.find_drive(tree_of(body), None)


# The plan ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "state", "steps"),
    [
        ({"Inserted": False, "Image": None}, "ejected", []),
        ({"Inserted": True, "Image": "http://a/x.iso"}, "ejected", ["eject"]),
        ({"Inserted": False, "Image": None}, "inserted", ["insert"]),
        ({"Inserted": True, "Image": "http://a/new.iso"}, "inserted", []),
        ({"Inserted": True, "Image": "http://a/x.iso"}, "inserted", ["eject", "insert"]),
        ({"Image": "http://a/x.iso"}, "inserted", ["eject", "insert"]),  # no Inserted: the image speaks
        ({"ConnectedVia": "NotConnected", "Image": "http://a/x.iso"}, "inserted", ["insert"]),
        ({"Inserted": False, "Image": "http://a/new.iso"}, "inserted", ["insert"]),  # named, but not inserted
    ],
)
def test_the_plan_has_only_what_is_needed(now: Any, state: str, steps: list[str]) -> None:
    found = drive(**now)
    plan = media.plan(found, state, "http://a/new.iso")
    assert [step["do"] for step in plan] == steps
    wanted = {"image": "http://a/new.iso" if state == "inserted" else None, "inserted": state == "inserted"}
    assert media.after(found.document, plan) == wanted


def test_the_vendors_own_control_is_used_where_there_is_no_standard_one() -> None:
    oem = {"Actions": {}, "Oem": {"Huawei": {"Actions": CONTROL}}}
    found = media.find_drive(tree_of({"Id": "CD", "MediaTypes": ["CD"], "Inserted": True, "Image": "old", **oem}), None)
    eject, insert = media.plan(found, "inserted", "nfs://10.0.0.1/share/x.iso")
    assert eject["body"] == {"VmmControlType": "Disconnect"}
    assert insert["body"] == {"VmmControlType": "Connect", "Image": "nfs://10.0.0.1/share/x.iso"}
    both = {"Id": "CD", "MediaTypes": ["CD"], "Actions": STANDARD, "Oem": oem["Oem"]}
    assert media.plan(media.find_drive(tree_of(both), None), "inserted", "http://a/x")[0]["uri"] == INSERT["target"]


def test_what_cannot_be_done_is_refused_with_what_is_there() -> None:
    with pytest.raises(media.Refused, match=r"no virtual drive for discs \(it shows: USB1\)"):
        media.find_drive(tree_of({"Id": "USB1", "MediaTypes": ["USBStick"], "Actions": STANDARD}), None)
    with pytest.raises(media.Refused, match="no virtual drive named DVD2"):
        media.find_drive(tree_of({"Id": "CD", "Actions": STANDARD}), "DVD2")
    with pytest.raises(media.Refused, match="CD offers no action that inserts"):
        media.find_drive(tree_of({"Id": "CD", "Actions": {}}), None)
    with pytest.raises(media.Refused, match="offers no action that ejects"):
        media.plan(drive({media.INSERT: INSERT}, Inserted=True), "ejected")
    allowed = {media.INSERT: {**INSERT, "TransferProtocolType@Redfish.AllowableValues": ["NFS", "HTTPS"]}}
    with pytest.raises(media.Refused, match="does not read http images; it allows NFS, HTTPS"):
        media.plan(drive(allowed), "inserted", "http://a/x.iso")
    assert media.plan(drive(allowed), "inserted", "https://a/x.iso")[0]["body"]["TransferProtocolType"] == "HTTPS"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["Id", "Actions", "Oem", "Image", "Inserted", "MediaTypes", media.INSERT, "target", "x"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON, st.sampled_from(media.STATES))
def test_any_document_gives_a_plan_or_a_reason(document: Any, state: str) -> None:
    try:
        found = media.find_drive(tree_of(document), None)
        media.after(found.document, media.plan(found, state, "http://a/x.iso"))
    except media.Refused as reason:
        assert str(reason)


# Against simulated BMCs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Fleet]]:
    with serving(tmp_path_factory.mktemp("media")) as pair:
        yield pair


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server's address; it has one.iso and two.iso."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("one.iso", "two.iso"):
        (folder / name).write_text(name, encoding="ascii")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_run, "_POLL_SECONDS", 0.02)


def target_of(fleet: Fleet, node: str) -> Target:
    address, port = fleet.base_url(node).removeprefix("https://").split(":")
    return Target(address, USER, PASSWORD, int(port), str(fleet.ca_file))


def change(target: Target, state: str, image: str | None = None, wait: float = 10.0) -> tuple[list[str], list[str]]:
    """(what was done, remarks)."""
    with Client(target, Limits(timeout=5.0, deadline=30.0, pool=2)) as client:
        found = media.find_drive(media_run.read_drives(client, client.login()), None)
        steps = media.plan(found, state, image)
        return [step["do"] for step in steps], media_run.run_steps(client, found, steps, wait)


def test_an_image_is_read_replaced_and_ejected(served: tuple[World, Fleet], images: str) -> None:
    world, fleet = served
    target = target_of(fleet, "node1")
    assert change(target, "inserted", f"{images}/one.iso") == (["insert"], [])
    assert world.read("node1")["virtual_media"]["image"] == f"{images}/one.iso"
    assert change(target, "inserted", f"{images}/one.iso") == ([], [])
    assert change(target, "inserted", f"{images}/two.iso") == (["eject", "insert"], [])
    assert change(target, "ejected") == (["eject"], [])
    assert change(target, "ejected") == ([], [])
    with pytest.raises(Failed, match=r"insert was refused: HTTP 400.*404"):
        change(target, "inserted", f"{images}/three.iso")


def test_a_vendors_task_is_awaited_and_asked_again(served: tuple[World, Fleet], images: str) -> None:
    world, fleet = served
    target = target_of(fleet, "node2")
    with world.update("node2") as node:
        node["bmc"].update(media_control=True, media_fails_times=2)
    done, remarks = change(target, "inserted", f"{images}/one.iso")
    assert done == ["insert"]
    assert [remark.split(":")[0] for remark in remarks] == ["insert was asked again"] * 2
    assert world.read("node2")["virtual_media"]["inserted"] is True
    assert change(target, "ejected") == (["eject"], [])
    with world.update("node2") as node:
        node["bmc"]["media_fails_times"] = 99
    with pytest.raises(Failed, match=r"the task of insert ended as Exception: .*Please try again\. \(3 tries\)"):
        change(target, "inserted", f"{images}/one.iso")


def test_the_module_checks_plans_and_changes(served: tuple[World, Fleet], images: str) -> None:
    world, fleet = served
    target = target_of(fleet, "node1")
    arguments = {
        "subject": "node1", "confirm_target": "node1", "address": target.address, "port": target.port, "user": USER,
        "password": PASSWORD, "ca_file": target.ca_file, "state": "inserted", "image": f"{images}/one.iso",
    }  # fmt: skip
    planned = module("bmc_media", arguments, check=True)
    assert planned["changed"] is True
    assert world.read("node1")["virtual_media"]["inserted"] is False
    done = module("bmc_media", arguments)
    assert (done["plan"], done["diff"], done["drive"]) == (planned["plan"], planned["diff"], "CD")
    assert world.read("node1")["virtual_media"]["inserted"] is True
    again = module("bmc_media", arguments)
    assert (again["changed"], again["plan"]) == (False, [])
    refused = module("bmc_media", {**arguments, "confirm_target": "node2"})
    assert "nothing was done" in refused["msg"]
    assert module("bmc_media", {**arguments, "state": "ejected", "image": None})["changed"] is True
    assert "image" in module("bmc_media", {**arguments, "image": None})["msg"]


def test_a_precondition_that_is_outdated_is_renewed_once(tmp_path: Path) -> None:
    documents = sample("openubmc")
    documents["/redfish/v1/managers/1"]["VirtualMedia"] = {"@odata.id": "/redfish/v1/Managers/1/VirtualMedia"}
    documents["/redfish/v1/managers/1/virtualmedia"] = {"Members": [{"@odata.id": URI}]}
    key = URI.lower()
    documents[key] = {"Id": "CD", "MediaTypes": ["CD"], "Inserted": False, "Image": None, "Actions": STANDARD}
    asked: list[str | None] = []

    def insert(handler: Handler) -> bool:
        asked.append(handler.headers.get("If-Match"))
        body = handler.body()
        if len(asked) == 1:
            handler.reply(412)
        else:
            handler.server.documents[key].update(Inserted=True, Image=body["Image"].rpartition("/")[2])
            handler.reply(204)
        return True

    with serving_documents(documents) as server:
        server.special[INSERT["target"]] = insert
        assert change(server.target(), "inserted", "http://a/dir/x.iso") == (["insert"], [])
        assert len(asked) == 2
        assert all(asked)
        # A BMC that says yes and does nothing is not believed.
        server.special[EJECT["target"]] = lambda handler: handler.body() is None or handler.reply(204) is None
        with pytest.raises(Failed, match=r"virtual drive CD holds x\.iso"):
            change(server.target(), "ejected", wait=0.1)
