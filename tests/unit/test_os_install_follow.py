"""Following an installation: what is new in a BMC's log, and when it ends, well, badly or never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from npuforge.bmc.client import Client
from npuforge.bmc.events import Watch
from npuforge.bmc.wire import Limits, Target
from npuforge.install import verify

from controller.os_install import follow
from lab import physics
from lab.bmc.server import Fleet
from lab.world import World
from tests.unit.lab_bmc_helpers import PASSWORD, USER, serving, wait_for

LOGIN = follow.Login("192.0.2.1", 22, "deploy", "/key", ("-o", "ProxyJump=hop"))
SEEN: dict[str, str | None] = {**dict.fromkeys(verify.COMMANDS), "marker": '{"install": "the-word"}'}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Fleet]]:
    with serving(tmp_path_factory.mktemp("follow")) as pair:
        yield pair


@pytest.fixture(params=["node1", "node2"])  # two dialects
def bmc(served: tuple[World, Fleet], request: pytest.FixtureRequest) -> tuple[World, str, Target]:
    world, fleet = served
    address, port = fleet.base_url(request.param).removeprefix("https://").split(":")
    return world, request.param, Target(address, USER, PASSWORD, int(port), str(fleet.ca_file))


def say(world: World, node: str, text: str, severity: str = "OK") -> None:
    with world.update(node) as document:
        physics.add_entry(document, datetime.now(UTC), severity, "OS Install", text)


def test_only_what_is_new_is_told_whatever_its_severity(bmc: tuple[World, str, Target]) -> None:
    world, node, target = bmc
    say(world, node, "long ago")
    with Client(target, Limits(timeout=5.0, deadline=60.0, pool=1)) as client:
        watch = Watch(client, client.login())
        assert "long ago" in [entry["message"] for entry in watch.look() or []]
        assert watch.look() == []
        say(world, node, "one")
        say(world, node, "two", "Critical")
        found = wait_for(watch.look)
        assert [(entry["message"], entry["severity"]) for entry in found] == [("one", "OK"), ("two", "Critical")]
        assert watch.look() == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "install").write_text("the-word", encoding="ascii")
    monkeypatch.setattr(follow, "PAUSE_SECONDS", 0.05)
    return tmp_path


def play(monkeypatch: pytest.MonkeyPatch, *looks: Any) -> list[tuple[str, ...]]:
    """What SSH shows, look after look; the last one stays. Returns the words of each look."""
    asked: list[tuple[str, ...]] = []
    left = list(looks)

    def look(login: follow.Login, more: tuple[str, ...] = ()) -> Any:
        asked.append((*more, *login.options))
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(follow, "look", look)
    return asked


def test_the_system_that_shows_the_word_is_the_new_one(
    bmc: tuple[World, str, Target], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {**SEEN, "marker": '{"install": "of another time"}'}
    asked = play(monkeypatch, old, "Connection refused", {**SEEN, "marker": None}, SEEN)
    told: list[str] = []
    assert follow.follow(bmc[2], LOGIN, folder, 30, told.append) == SEEN
    assert told == ["another system answers SSH", "SSH: Connection refused", "another system answers SSH"]
    assert len(asked) == 4
    words = asked[0]
    assert words.index(f"UserKnownHostsFile={folder / 'known_hosts'}") < words.index("ProxyJump=hop")


def test_an_installer_that_stops_ends_it_at_once(
    bmc: tuple[World, str, Target], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, node, target = bmc
    told: list[str] = []

    def note(text: str) -> None:
        told.append(text)
        if text == "SSH: no route":
            say(world, node, "Installer stopped: no disk", "Critical")

    play(monkeypatch, "no route")
    with pytest.raises(follow.FollowError, match="the installer stopped: Installer stopped: no disk"):
        follow.follow(target, LOGIN, folder, 30, note)
    assert told[-1].endswith("Installer stopped: no disk")


def test_time_is_limited_and_a_dead_bmc_does_not_end_an_installation(
    bmc: tuple[World, str, Target], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, "no route")
    with pytest.raises(
        follow.FollowError, match=r"not installed within 0 s; SSH: no route; the BMC's log says nothing"
    ):
        follow.follow(bmc[2], LOGIN, folder, 0.3, lambda _: None)
    dead = bmc[2]._replace(port=1)
    play(monkeypatch, "no route", SEEN)
    told: list[str] = []
    assert follow.follow(dead, LOGIN, folder, 30, told.append) == SEEN
    assert told[0] == "the BMC's log cannot be followed: connection refused"


def test_what_the_next_boot_starts_from(bmc: tuple[World, str, Target]) -> None:
    world, node, target = bmc
    assert follow.boot_order(target) is None
    with world.update(node) as document:
        document["boot"].update(target="Cd", enabled="Once")
    assert wait_for(lambda: follow.boot_order(target)) == "Cd (Once)"
    with world.update(node) as document:
        document["boot"].update(target="None", enabled="Disabled")
