"""What the truth can ask of a BMC besides being right: each takes effect on the running service, and ends again."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lab.bmc.server import Fleet
from lab.world import World
from tests.unit.lab_bmc_helpers import PASSWORD, SESSIONS, SYSTEM, USER, Client, serving, wait_for


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Fleet]]:
    with serving(tmp_path_factory.mktemp("misbehaviour")) as pair:
        yield pair


@pytest.fixture
def client(served: tuple[World, Fleet]) -> Client:
    return Client(served[1])


@pytest.fixture
def misbehave(served: tuple[World, Fleet], client: Client) -> Iterator[Any]:
    """Sets properties of node1's BMC, and puts them back."""
    world = served[0]
    before = world.read("node1")["bmc"]

    def change(**properties: Any) -> None:
        with world.update("node1") as node:
            node["bmc"].update(properties)

    yield change
    change(**before)
    wait_for(lambda: reachable(client))


def reachable(client: Client) -> bool:
    try:
        return client.ask(SYSTEM).status == 200
    except OSError:
        return False


def test_a_slow_bmc_is_slow_and_its_neighbours_are_not(
    served: tuple[World, Fleet], client: Client, misbehave: Any
) -> None:
    misbehave(latency_seconds=1.0)
    other = Client(served[1], "node2")
    with ThreadPoolExecutor(4) as pool:
        started = time.monotonic()
        slow = [pool.submit(client.ask, SYSTEM) for _ in range(3)]
        assert other.ask(SYSTEM).status == 200
        assert time.monotonic() - started < 0.8
        assert [item.result().status for item in slow] == [200, 200, 200]
        assert 1.0 <= time.monotonic() - started < 2.0, "three slow requests wait beside each other, not in a row"


def test_a_global_latency_replaces_the_nodes_own(
    served: tuple[World, Fleet], client: Client, misbehave: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehave(latency_seconds=30.0)
    monkeypatch.setattr(served[1], "latency_seconds", 0.2)
    started = time.monotonic()
    assert client.ask(SYSTEM).status == 200
    assert 0.2 <= time.monotonic() - started < 5


def test_a_dead_bmc_refuses_connections_and_comes_back_at_the_same_place(client: Client, misbehave: Any) -> None:
    misbehave(dead=True)

    def refused() -> bool:
        try:
            client.ask(SYSTEM)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False

    wait_for(refused)
    misbehave(dead=False)
    wait_for(lambda: reachable(client))


def test_a_wrong_password_is_refused_at_login_and_with_basic_authentication(client: Client, misbehave: Any) -> None:
    misbehave(reject_password=True)
    assert client.ask(SYSTEM).status == 401
    assert client.post(SESSIONS, {"UserName": USER, "Password": PASSWORD}, user=None).status == 401


@pytest.mark.parametrize(
    ("variant", "reason"),
    [("expired", "expired"), ("wrong_name", "mismatch|not valid for"), ("unknown_ca", "local issuer")],
)
def test_a_bad_certificate_is_shown(client: Client, misbehave: Any, variant: str, reason: str) -> None:
    misbehave(certificate=variant)

    def problem() -> str:
        try:
            client.ask(SYSTEM)
        except ssl.SSLCertVerificationError as error:
            return str(error)
        except OSError:
            return ""
        return ""

    message = wait_for(problem)
    assert re.search(reason, message), message


def test_an_error_body_comes_with_200(client: Client, misbehave: Any) -> None:
    misbehave(error_body_paths=[f"{SYSTEM}/Memory/"])
    answer = client.ask(f"{SYSTEM}/Memory")
    assert answer.status == 200
    assert answer.message_ids == ["GeneralError"]
    assert "Members" not in answer.body
    assert client.ask(f"{SYSTEM}/Processors").body["Members"]


def test_a_member_can_be_missing_although_it_is_listed(client: Client, misbehave: Any) -> None:
    path = f"{SYSTEM}/Processors/CPU2"
    misbehave(missing_paths=[path])
    assert client.ask(path).status == 404
    assert path in [item["@odata.id"] for item in client.get(f"{SYSTEM}/Processors")["Members"]]


def test_unavailable_counts_down(client: Client, misbehave: Any, served: tuple[World, Fleet]) -> None:
    misbehave(unavailable_times=3)
    answers = [client.ask(SYSTEM) for _ in range(5)]
    assert [answer.status for answer in answers] == [503, 503, 503, 200, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert served[0].read("node1")["bmc"]["unavailable_times"] == 0


def test_a_clock_that_is_off_shows_in_every_time(client: Client, misbehave: Any, served: tuple[World, Fleet]) -> None:
    offset = -365 * 86400
    misbehave(clock_offset_seconds=offset)
    with served[0].update("node1") as node:
        node["fans"][0]["rpm"] = 900
    log = f"{SYSTEM}/LogServices/Log1"
    entry = wait_for(lambda: client.get(f"{log}/Entries")["Members"])[0]
    wanted = datetime.now(UTC) + timedelta(seconds=offset)
    for shown in (client.get("/redfish/v1/Managers/1")["DateTime"], client.get(log)["DateTime"], entry["Created"]):
        assert abs(datetime.fromisoformat(shown) - wanted) < timedelta(seconds=20)
    with served[0].update("node1") as node:
        node["fans"][0]["rpm"] = 7200


@pytest.mark.parametrize("damage", ["", "{"])
def test_a_damaged_document_hurts_only_its_own_node(served: tuple[World, Fleet], client: Client, damage: str) -> None:
    world, fleet = served
    path = world.root / "nodes" / "node1.json"
    good = path.read_text()
    path.write_text(damage)
    try:
        assert client.ask(SYSTEM).status == 500
        assert Client(fleet, "node2").ask(SYSTEM).status == 200
    finally:
        path.write_text(good)
    wait_for(lambda: reachable(client))
