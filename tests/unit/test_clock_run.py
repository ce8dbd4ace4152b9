"""A node's clock from reading to report: plan equals deed, a second run is empty, any kill is mended."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from npuforge.clock import conf, run
from npuforge.clock.conf import Wanted

from tests.unit.clock_helpers import CONF, STOCK, Killed, Machine

SERVERS = Wanted(["10.0.0.1", "10.0.0.2"], False, [])
SOURCE = Wanted([], True, ["10.0.0.12"])


def do(machine: Machine, wanted: Wanted = SERVERS, folder: str = "/proc/nonexistent", **more: Any) -> run.Result:
    request = run.Request("node1", wanted, progress_folder=folder, **more)
    return run.run(request, machine, True, machine.sleep, lambda: machine.now)


def time_of(made: run.Result) -> dict[str, Any]:
    found: dict[str, Any] = made.observations[0]["observation"]["facts"]["time"]
    return found


def healthy() -> Machine:
    machine = Machine()
    machine.answering = {"10.0.0.1", "10.0.0.2"}
    return machine


def test_from_the_distributions_file_to_a_measured_clock() -> None:
    machine = healthy()
    made = do(machine, controller_time=4998.0)
    assert made.changed and not made.failed
    assert made.steps == [f"write {CONF}", "restart chronyd.service"]
    assert machine.texts[CONF + ".npuforge-1"] == STOCK
    seen = time_of(made)
    assert seen["synchronised"] is True and seen["configuration_differences"] == [] and seen["service_active"] is True
    assert seen["source"] == {"name": "10.0.0.1", "reachable": True, "stratum": 2, "kind": "server"}
    assert seen["offset_milliseconds"] == pytest.approx(0.01) and seen["stratum"] == 3 and seen["leap"] == "normal"
    assert seen["clock_against_controller_seconds"] == 2.0
    again = do(machine)
    assert not again.changed and again.steps == [] and again.diff == []


@pytest.mark.parametrize("ahead", [90.0, -90.0, 0.3])
def test_a_clock_that_is_off_is_measured_with_its_sign(ahead: float) -> None:
    machine = healthy()
    machine.ahead = ahead
    seen = time_of(do(machine, controller_time=5000.0))
    assert seen["synchronised"] is True and seen["offset_milliseconds"] == pytest.approx(ahead * 1000 + 0.01)
    assert seen["clock_against_controller_seconds"] == pytest.approx(ahead)


def test_a_server_that_went_silent_is_no_source_though_chronyd_still_follows_it() -> None:
    machine = healthy()
    do(machine)
    machine.answering = set()
    machine.sleep(3600)
    before = machine.now
    made = do(machine, max_wait_seconds=30.0)
    seen = time_of(made)
    assert seen["synchronised"] is False and seen["source"] is None and seen["offset_milliseconds"] is None
    assert "10.0.0.1 does not answer" in made.message
    assert not made.failed and not made.changed
    assert machine.now - before < 15, "nobody answers, and it waits on and on"


def test_check_mode_judges_by_the_interval_and_asks_nobody() -> None:
    machine = healthy()
    do(machine)
    machine.sleep(60)
    machine.answering = set()
    machine.now += 60
    assert time_of(do(machine, check=True))["synchronised"] is True
    machine.now += 3600
    machine.calls.clear()
    assert time_of(do(machine, check=True))["synchronised"] is False
    assert not [call for call in machine.calls if "burst" in call or "restart" in call]


def test_the_sites_own_source_serves_its_clock() -> None:
    machine = healthy()
    seen = time_of(do(machine, SOURCE))
    assert "local stratum 10 orphan" in machine.texts[CONF] and "allow 10.0.0.12" in machine.texts[CONF]
    assert seen["synchronised"] is True and seen["stratum"] == 10
    assert seen["source"]["kind"] == "local" and seen["offset_milliseconds"] == 0


def test_a_client_that_goes_by_its_own_clock_is_not_synchronised() -> None:
    machine = Machine(conf.render(SERVERS, conf.layout("chronyd.service", None, False)) + "local stratum 8\n")
    made = do(machine, check=True)
    assert time_of(made)["synchronised"] is False and "own clock" in made.message


@pytest.mark.parametrize("rival", ["ntpd.service", "systemd-timesyncd.service"])
@pytest.mark.parametrize("check", [True, False])
def test_another_time_service_is_named_and_nothing_touched(rival: str, check: bool) -> None:
    machine = healthy()
    machine.rivals = {rival}
    made = do(machine, check=check)
    assert made.failed and rival in made.message and made.steps == [] and not made.changed
    assert machine.texts == {CONF: STOCK}
    assert any(rival in text for text in time_of(made)["configuration_differences"])


@pytest.mark.parametrize(("state", "word"), [("not-found", "not installed"), ("masked", "unmask")])
def test_a_node_without_chrony_says_so(state: str, word: str) -> None:
    machine = healthy()
    machine.states = {"LoadState": state, "ActiveState": "inactive", "UnitFileState": ""}
    made = do(machine)
    assert made.failed and word in made.message and time_of(made)["synchronised"] is False


def test_a_file_that_chronyd_does_not_take_is_put_back() -> None:
    machine = healthy()
    machine.refused = {"rtcsync"}
    made = do(machine)
    assert made.failed and "Invalid directive" in made.message and "old file is back" in made.message
    assert machine.texts[CONF] == STOCK and machine.states["ActiveState"] == "active"
    assert run.UNREAD_PATH not in machine.texts


def test_a_chronyd_that_asks_others_than_its_file_says_is_restarted() -> None:
    machine = healthy()
    do(machine)
    machine.loaded = "server 10.0.0.9 iburst\n"
    made = do(machine)
    assert made.changed and made.steps[0].startswith("restart chronyd.service: the running chronyd asks 10.0.0.9")
    assert machine.servers() == ["10.0.0.1", "10.0.0.2"] and not do(machine).changed


def test_comments_and_blanks_are_nobodys_business() -> None:
    machine = healthy()
    do(machine)
    machine.texts[CONF] = "! mine\n\n" + machine.texts[CONF].replace("makestep 1.0 3", "  MakeStep   1.0 3")
    assert not do(machine).changed


def test_a_directive_of_somebody_else_is_named_in_check_mode_and_undone() -> None:
    machine = healthy()
    do(machine)
    machine.texts[CONF] += "pool ntp.example.com iburst\n"
    seen = time_of(do(machine, check=True))
    assert seen["configuration_differences"] == [
        f"{CONF} has 'pool ntp.example.com iburst', which nobody planned",
    ]
    assert do(machine).changed and "example" not in machine.texts[CONF]


LINES = st.sampled_from(
    ["server 10.0.0.1 iburst", "pool x iburst", "rtcsync", "makestep 1.0 3", "# a", "", "allow", "local"]
)
TEXTS = st.none() | st.lists(LINES, max_size=8).map("\n".join) | st.text(max_size=60)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    machine = Machine(draw(TEXTS))
    machine.answering = draw(st.sets(st.sampled_from(SERVERS.servers)))
    machine.states["ActiveState"] = draw(st.sampled_from(["active", "inactive", "failed"]))
    machine.states["UnitFileState"] = draw(st.sampled_from(["enabled", "disabled"]))
    machine.ahead = draw(st.sampled_from([0.0, 90.0]))
    if draw(st.booleans()):
        machine.texts[run.UNREAD_PATH] = ""
    return machine


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machines(), st.sampled_from([SERVERS, SOURCE]))
def test_check_mode_plans_what_is_done_and_a_second_run_is_empty(machine: Machine, wanted: Wanted) -> None:
    texts, states = dict(machine.texts), dict(machine.states)
    planned = do(machine, wanted, check=True)
    assert (machine.texts, machine.states) == (texts, states), "check mode touched something"
    made = do(machine, wanted)
    assert (planned.changed, planned.steps, planned.diff) == (made.changed, made.steps, made.diff)
    assert not made.failed and time_of(made)["configuration_differences"] == []
    again = do(machine, wanted)
    assert not again.changed and again.steps == []


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machines(), st.sampled_from([SERVERS, SOURCE]), st.integers(0, 7))
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(machine: Machine, wanted: Wanted, deeds: int) -> None:
    machine.left = deeds
    with contextlib.suppress(Killed):
        do(machine, wanted)
    machine.left = None
    assert not do(machine, wanted).failed
    assert not do(machine, wanted).changed
    assert conf.directives(machine.loaded or "") == conf.directives(machine.texts[CONF])
    assert machine.states["ActiveState"] == "active"


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (Wanted([], False, []), "nobody to ask"),
        (Wanted(["a"], True, ["b"]), "not both"),
        (Wanted([], True, []), "serves nobody"),
        (Wanted(["10.0.0.1 key 1"], False, []), "no address"),
        (Wanted(["a\nallow all"], False, []), "no address"),
        (Wanted([], True, ["10.0.0.0/24"], 16), "1 to 15"),
    ],
)
def test_what_cannot_be_set_up_is_refused(wanted: Wanted, word: str) -> None:
    assert word in str(conf.wrong(wanted))


def test_debians_places_and_a_file_of_the_services_own() -> None:
    assert conf.layout("chrony.service", None, True).conf == "/etc/chrony/chrony.conf"
    assert conf.layout("chrony.service", "/srv/c.conf", True).conf == "/srv/c.conf"
    machine = healthy()
    machine.states["ExecStart"] = "{ path=/usr/sbin/chronyd ; argv[]=/usr/sbin/chronyd -F 1 -f /etc/c2.conf ; }"
    assert do(machine, check=True).steps[0] == "write /etc/c2.conf"


def test_progress_is_told_while_it_waits(tmp_path: Path) -> None:
    machine = healthy()
    machine.polls_needed = 6
    do(machine, folder=str(tmp_path))
    assert '"state": "done"' in (tmp_path / "time_sync.json").read_text(encoding="utf-8")
