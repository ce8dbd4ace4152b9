"""The Redfish protocol of the simulated BMC: who may, what is refused and how, and what a PATCH does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lab.bmc.server import Fleet
from lab.world import World
from tests.unit.lab_bmc_helpers import PASSWORD, SESSIONS, SYSTEM, USER, Client, serving

ACCOUNTS = "/redfish/v1/AccountService/Accounts"
MANAGER = "/redfish/v1/Managers/1"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Fleet]]:
    with serving(tmp_path_factory.mktemp("http")) as pair:
        yield pair


@pytest.fixture
def client(served: tuple[World, Fleet]) -> Client:
    return Client(served[1])


@pytest.fixture
def world(served: tuple[World, Fleet]) -> World:
    return served[0]


@pytest.fixture
def reader(client: Client) -> Iterator[str]:
    """A user who may only read."""
    answer = client.post(ACCOUNTS, {"UserName": "reader", "Password": "Read-passw0rd", "RoleId": "ReadOnly"})
    assert answer.status == 201, answer.raw
    yield answer.headers["Location"]
    client.ask(answer.headers["Location"], "DELETE")


@pytest.mark.parametrize(
    "path", ["/redfish", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata", "/redfish/v1/$metadata"]
)
def test_these_need_no_credentials(client: Client, path: str) -> None:
    assert client.ask(path, user=None).status == 200


@pytest.mark.parametrize("path", [SYSTEM, SESSIONS, "/redfish/v1/nothing"])
def test_everything_else_does(client: Client, path: str) -> None:
    answer = client.ask(path, user=None)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert answer.message_ids == ["NoValidSession"]


def test_wrong_credentials_are_refused(client: Client) -> None:
    assert client.ask(SYSTEM, word="wrong").status == 401
    assert client.ask(SYSTEM, user="nobody").status == 401
    assert client.ask(SYSTEM, user=None, Authorization="Basic !!!").status == 401
    assert client.ask(SYSTEM, user=None, X_Auth_Token="0" * 32).status == 401
    assert client.post(SESSIONS, {"UserName": USER, "Password": "wrong"}, user=None).status == 401
    assert client.post(SESSIONS, {"UserName": USER}, user=None).message_ids == ["PropertyMissing"]


def test_a_session_lives_until_it_is_deleted(client: Client) -> None:
    answer = client.post(SESSIONS, {"UserName": USER, "Password": PASSWORD}, user=None)
    assert answer.status == 201
    token, location = answer.headers["X-Auth-Token"], answer.headers["Location"]
    assert list(answer.body["Oem"]) == ["Public"]
    assert answer.body["Password"] is None
    assert client.ask(SYSTEM, user=None, X_Auth_Token=token).status == 200
    assert location in [item["@odata.id"] for item in client.get(SESSIONS)["Members"]]
    assert client.ask(location, "DELETE", user=None, X_Auth_Token=token).status == 204
    assert client.ask(SYSTEM, user=None, X_Auth_Token=token).status == 401
    assert client.ask(location, "DELETE").status == 404


def test_a_session_ends_by_time(client: Client, served: tuple[World, Fleet]) -> None:
    token = client.post(SESSIONS, {"UserName": USER, "Password": PASSWORD}, user=None).headers["X-Auth-Token"]
    runtime = served[1].bmcs["node1"].runtime
    for session in runtime.sessions.values():
        session.used -= runtime.session_timeout + 1
    assert client.ask(SYSTEM, user=None, X_Auth_Token=token).status == 401


def test_the_number_of_sessions_is_bounded(client: Client, served: tuple[World, Fleet]) -> None:
    runtime = served[1].bmcs["node1"].runtime
    for _ in range(80):
        runtime.open_session(runtime.accounts["2"], "test")
    assert len(runtime.sessions) == 64
    runtime.sessions.clear()


def test_ibmc_answers_a_login_with_its_own_oem_key(served: tuple[World, Fleet]) -> None:
    answer = Client(served[1], "node2").post(SESSIONS, {"UserName": USER, "Password": PASSWORD}, user=None)
    assert list(answer.body["Oem"]) == ["Huawei"]


def test_patch_wants_the_etag(client: Client, world: World) -> None:
    before = world.read("node1")["asset_tag"]
    for header in ({}, {"If_Match": '"stale"'}):
        answer = client.ask(SYSTEM, "PATCH", {"AssetTag": "X-1"}, **header)
        assert (answer.status, answer.message_ids) == (412, ["PreconditionFailed"])
    assert world.read("node1")["asset_tag"] == before
    answer = client.patch(SYSTEM, {"AssetTag": "X-1"})
    assert answer.status == 200
    assert answer.body["AssetTag"] == world.read("node1")["asset_tag"] == "X-1"
    assert answer.headers["ETag"] == client.ask(SYSTEM).headers["ETag"]
    assert client.ask(SYSTEM, "PATCH", {"AssetTag": "X-2"}, If_Match="*").status == 200


def test_of_two_writers_one_wins(client: Client) -> None:
    tag = client.ask(SYSTEM).headers["ETag"]
    results: list[int] = []

    def write(number: int) -> None:
        results.append(client.ask(SYSTEM, "PATCH", {"AssetTag": f"W-{number}"}, If_Match=tag).status)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [200, *[412] * 5]


@pytest.mark.parametrize(
    ("body", "status", "messages"),
    [
        ({"Bogus": 1}, 400, ["PropertyUnknown"]),
        ({"SerialNumber": "x"}, 400, ["PropertyNotWritable"]),
        ({"LocationIndicatorActive": "yes"}, 400, ["PropertyValueTypeError"]),
        ({"Boot": {"BootSourceOverrideTarget": "Moon"}}, 400, ["PropertyValueNotInList"]),
        ({}, 400, ["NoOperation"]),
        ({"@odata.id": "/x"}, 400, ["NoOperation"]),
        ({"AssetTag": "ok", "Bogus": 1}, 200, ["PropertyUnknown"]),
        (b"{nonsense", 400, ["MalformedJSON"]),
        (b"[]", 400, ["MalformedJSON"]),
    ],
)
def test_what_cannot_be_changed_is_named(client: Client, body: Any, status: int, messages: list[str]) -> None:
    answer = client.patch(SYSTEM, body)
    assert (answer.status, answer.message_ids) == (status, messages)


def test_the_boot_source(client: Client, world: World) -> None:
    def boot() -> tuple[str, str]:
        shown = client.get(SYSTEM)["Boot"]
        return shown["BootSourceOverrideTarget"], shown["BootSourceOverrideEnabled"]

    def set_boot(**properties: str) -> int:
        return client.patch(
            SYSTEM, {"Boot": {f"BootSourceOverride{key}": item for key, item in properties.items()}}
        ).status

    assert set_boot(Target="Pxe") == 200
    assert boot() == ("Pxe", "Once")
    assert set_boot(Target="Cd", Enabled="Continuous") == 200
    assert boot() == ("Cd", "Continuous")
    assert set_boot(Enabled="Disabled") == 200
    assert boot() == ("None", "Disabled")
    assert set_boot(Mode="Legacy") == 200
    assert world.read("node1")["boot"]["mode"] == "Legacy"


def test_bios_settings_wait_for_the_next_boot(client: Client) -> None:
    settings = client.get(f"{SYSTEM}/Bios")["@Redfish.Settings"]["SettingsObject"]["@odata.id"]
    assert client.patch(settings, {"Attributes": {"QuickBoot": "Disabled"}}).status == 200
    assert client.get(f"{SYSTEM}/Bios")["Attributes"]["QuickBoot"] == "Enabled"
    assert client.get(settings)["Attributes"]["QuickBoot"] == "Disabled"
    assert client.patch(settings, {"Attributes": {"Nonsense": "x"}}).status == 400
    assert client.post(f"{SYSTEM}/Bios/Actions/Bios.ResetBios", {}).status == 204
    assert client.get(settings)["Attributes"]["QuickBoot"] == "Enabled"


def test_setting_the_clock_moves_it(client: Client, world: World) -> None:
    assert client.patch(MANAGER, {"DateTime": "2020-01-01T00:00:00+00:00"}).status == 200
    assert client.get(MANAGER)["DateTime"].startswith("2020-01-01T00:00:0")
    assert client.patch(MANAGER, {"DateTime": "yesterday"}).status == 400
    with world.update("node1") as node:
        node["bmc"]["clock_offset_seconds"] = 0


def test_accounts(client: Client) -> None:
    new = {"UserName": "second", "Password": "First-passw0rd", "RoleId": "Operator"}
    answer = client.post(ACCOUNTS, new)
    path = answer.headers["Location"]
    assert client.post(f"{ACCOUNTS}/Members", new).message_ids == ["ResourceAlreadyExists"]
    assert client.get(SYSTEM, user="second", word="First-passw0rd")
    assert client.patch(path, {"Password": "Second-passw0rd"}).status == 200
    assert client.ask(SYSTEM, user="second", word="First-passw0rd").status == 401
    assert client.get(path, user="second", word="Second-passw0rd")["RoleId"] == "Operator"
    short = client.patch(path, {"Password": "short"})
    assert (short.status, short.message_ids) == (400, ["PropertyValueFormatError"])
    assert b"short" not in short.raw, "a password is not repeated, not even a bad one"
    assert client.patch(path, {"Enabled": False}).status == 200
    assert client.ask(SYSTEM, user="second", word="Second-passw0rd").status == 401
    assert client.ask(path, "DELETE").status == 204
    assert client.post(ACCOUNTS, {"UserName": "x"}).message_ids == ["PropertyMissing", "PropertyMissing"]


def test_the_last_administrator_stays(client: Client) -> None:
    path = f"{ACCOUNTS}/2"
    assert client.ask(path, "DELETE").status == 409
    assert client.patch(path, {"Enabled": False}).status == 409
    assert client.patch(path, {"RoleId": "ReadOnly"}).status == 409


def test_a_reader_may_only_read(client: Client, reader: str) -> None:
    who = {"user": "reader", "word": "Read-passw0rd"}
    assert client.ask(SYSTEM, **who).status == 200
    tag = client.ask(SYSTEM).headers["ETag"]
    assert client.ask(SYSTEM, "PATCH", {"AssetTag": "R"}, If_Match=tag, **who).status == 403
    assert client.post(f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "ForceOff"}, **who).status == 403
    assert client.post(ACCOUNTS, {}, **who).status == 403
    assert client.ask(f"{ACCOUNTS}/2", **who).status == 403
    own = client.ask(reader, **who)
    assert own.status == 200
    changed = client.ask(reader, "PATCH", {"Password": "Other-passw0rd"}, If_Match=own.headers["ETag"], **who)
    assert changed.status == 200, "everybody may change their own password"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", SYSTEM, 405, "GET, HEAD, PATCH"),
        ("DELETE", "/redfish/v1/", 405, "GET, HEAD"),
        ("PATCH", "/redfish/v1/Chassis/1", 405, "GET, HEAD"),
        ("GET", f"{SYSTEM}/Actions/ComputerSystem.Reset", 405, "POST"),
        ("GET", "/redfish/v1/nothing", 404, None),
        ("POST", "/redfish/v1/nothing", 404, None),
        ("BREW", SYSTEM, 501, None),
        ("PUT", SYSTEM, 501, None),
    ],
)
def test_methods(client: Client, method: str, path: str, status: int, allow: str | None) -> None:
    answer = client.ask(path, method)
    assert (answer.status, answer.headers["Allow"]) == (status, allow)


def test_headers_of_an_answer(client: Client) -> None:
    answer = client.ask(SYSTEM)
    assert answer.headers["OData-Version"] == "4.0"
    assert answer.headers["ETag"] == answer.body["@odata.etag"]
    assert "describedby" in answer.headers["Link"]
    assert client.ask(SYSTEM, If_None_Match=answer.headers["ETag"]).status == 304
    assert client.ask(SYSTEM, OData_Version="4.1").status == 412
    head = client.ask(SYSTEM, "HEAD")
    assert (head.status, head.raw, head.headers["ETag"]) == (200, b"", answer.headers["ETag"])


def test_paths_are_found_whatever_their_case(client: Client) -> None:
    assert client.get("/redfish/v1/systems/1/processors/npu1/")["Id"] == "Npu1"


def test_queries(client: Client) -> None:
    memory = f"{SYSTEM}/Memory"
    page = client.get(f"{memory}?$skip=30&$top=5")
    assert (len(page["Members"]), page["Members@odata.count"]) == (2, 32)
    assert client.ask(f"{memory}?$expand=*").message_ids == ["QueryParameterUnsupported"]
    assert client.ask(f"{memory}?$expand=*").status == 501
    assert client.ask(f"{memory}?$top=x").status == 400
    assert client.ask(f"{SYSTEM}?$top=1").status == 400
    assert client.ask(f"{SYSTEM}?colour=red").status == 200


def test_a_long_collection_is_continued(client: Client, world: World) -> None:
    log = f"{SYSTEM}/LogServices/Log1/Entries"
    with world.update("node1") as node:
        node["log"] = [
            {"id": number, "time": "2026-11-24T06:00:00Z", "severity": "OK", "sensor": "x", "message": "y"}
            for number in range(1, 1501)
        ]
    first = client.get(log)
    assert (len(first["Members"]), first["Members@odata.count"]) == (1000, 1500)
    assert first["Members"][0]["Id"] == "1500", "newest first"
    rest = client.get(first["Members@odata.nextLink"])
    assert len(rest["Members"]) == 500
    assert "Members@odata.nextLink" not in rest
    assert client.post(f"{SYSTEM}/LogServices/Log1/Actions/LogService.ClearLog", {}).status == 204
    assert client.get(log)["Members"] == []


def test_a_defect_of_ours_is_no_traceback(
    client: Client, served: tuple[World, Fleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    bmc = served[1].bmcs["node1"]

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(bmc, "find", broken)
    answer = client.ask(SYSTEM)
    assert (answer.status, answer.message_ids) == (500, ["GeneralError"])
    assert b"secret detail" not in answer.raw


def test_no_password_is_kept_or_shown(served: tuple[World, Fleet], client: Client) -> None:
    client.post(SESSIONS, {"UserName": USER, "Password": PASSWORD}, user=None)
    fleet = served[1]
    seen = "".join(client.ask(path).raw.decode() for path in fleet.bmcs["node1"].tree())
    assert PASSWORD not in seen
    files = [path for path in fleet.state.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    assert PASSWORD not in repr(vars(fleet)) + repr(vars(fleet.bmcs["node1"].runtime))
