"""The session that may configure, over SSH: prompts, questions, lost connections, and what it never says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from npuforge.switch.roce import run
from npuforge.switch.session import Configurator, SessionError

from tests.unit.switch_roce_helpers import PORTS, Device, part
from tests.unit.switch_roce_ssh import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(Device())) as made:
        yield made


def request(commit: bool = True, check: bool = False) -> run.Request:
    return run.Request("sw1", "huawei_vrpv8", part(), commit, False, check)


def test_a_line_gives_its_text_and_the_prompt_that_follows(server, tmp_path):
    with Configurator(server.target(tmp_path)) as session:
        assert session.enter("system-view").prompt == "[~sw1]"
        entered = session.enter(f"interface {PORTS[0]}")
        assert (entered.prompt, entered.text) == (f"[~sw1-{PORTS[0]}]", "")
        assert session.enter("trust dscp").dirty
        assert "Unrecognized command" in session.enter("no shutdown").text
        assert session.run("display version").text.startswith("Huawei Versatile Routing Platform Software")
        assert not session.enter("clear configuration candidate").dirty


def test_questions_are_told_and_answered(server, tmp_path):
    with Configurator(server.target(tmp_path)) as session:
        refused = session.enter("save")
        assert refused.questions == ("Are you sure to continue?[Y/N]",)
        assert "successfully" not in refused.text
        assert "successfully" in session.enter("save", answer="Y").text


def test_reading_sends_nothing_but_display_commands(server, tmp_path):
    with Configurator(server.target(tmp_path)) as session, pytest.raises(ValueError, match="does not only read"):
        session.run("system-view")


def test_a_session_in_a_view_is_hung_up_without_a_word(server, tmp_path):
    with Configurator(server.target(tmp_path)) as session:
        session.enter("system-view")
        session.enter(f"interface {PORTS[0]}")
        session.enter("trust dscp")
    assert server.sessions[0].entered[-1] == "trust dscp"
    assert server.device.commits == 0


def test_a_lost_connection_is_told(server, tmp_path):
    server.device.hangs_up = "^trust dscp$"
    with Configurator(server.target(tmp_path)) as session:
        session.enter("system-view")
        session.enter(f"interface {PORTS[0]}")
        with pytest.raises(SessionError, match=r"'trust dscp': (the connection is gone|no prompt)"):
            session.enter("trust dscp")


def test_the_whole_way_over_ssh(server, tmp_path):
    result = run.run(request(), server.target(tmp_path), pause=lambda _: None)
    assert (result.changed, result.failed) == (True, False), result.message
    assert server.device.running == server.device.saved
    again = run.run(request(), server.target(tmp_path))
    assert (again.changed, again.failed, again.lines) == (False, False, [])


@pytest.mark.parametrize(
    ("greeting", "password", "told"),
    [
        ("\nWarning: The password needs to be changed. Change now? [Y/N]:", None, None),
        ("\nAuthorised users only> you agreed to this [Y/N]\nand so on>\n", None, None),
        ("", "wrong", "refused (wrong password, or not allowed)"),
    ],
)
def test_banners_with_prompts_and_wrong_passwords(tmp_path, greeting, password, told):
    with serving(Server(Device(), greeting=greeting)) as server:
        target = server.target(tmp_path, **({"password": password} if password else {}))
        result = run.run(request(commit=False), target)
    notes = result.observations[0]["observation"]["facts"]["notes"]
    if told is None:
        assert notes == [], notes
        assert result.lines
    else:
        assert [told in note["problem"] for note in notes if note["where"] == "session"] == [True]
    assert not result.failed
    assert all(not session.entered for session in server.sessions)


@pytest.mark.parametrize("trouble", ["full", "enable"])
def test_no_room_and_another_makes_prompt(tmp_path, trouble):
    with serving(Server(Device(), **{trouble: True})) as server:
        result = run.run(request(), server.target(tmp_path, timeout=3))
    assert result.failed
    assert not result.changed
    assert "sw1: " in result.message
    facts = result.observations[0]["observation"]["facts"]
    assert facts["notes"]
    assert facts["roce"]["differences"] is None
    assert all(not session.entered for session in server.sessions)
