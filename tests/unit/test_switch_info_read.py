"""One switch read as a whole: facts by hand, older commands, foreign command lines, and sessions that break."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import paramiko
import pytest
from npuforge.switch.read import COMMANDS, read
from npuforge.switch.session import Answer, Session, SessionError, Target
from switch_helpers import (
    DEVICE,
    FAN,
    MANUFACTURE,
    PASSWORD,
    POWER,
    QUESTION,
    UNKNOWN,
    V300,
    VERSION,
    Cli,
    serving,
)

from controller import contract

NOWHERE = Target("192.0.2.1", 22, "reader", PASSWORD, "known_hosts", 1)


class Played:
    """A session that plays answers; a missing one is a refused command, an exception is raised."""

    banner = "SSH-2.0-x"

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, target: Target) -> Played:
        return self

    def __enter__(self) -> Played:
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def run(self, command: str) -> Answer:
        self.asked.append(command)
        answer = self.answers.get(command, UNKNOWN)
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer, 0.1)


def facts(answers: dict[str, Any]) -> Any:
    entry = read("sw1", NOWHERE, Played(answers))
    assert contract.problems({**entry["observation"], "raw": []}, "observation") == []
    return entry["observation"]["facts"]


def test_a_switch_as_v300_shows_it() -> None:
    found = facts(V300)
    assert found["reachable"] is True
    assert found["identity"] == {
        "manufacturer": "Huawei",
        "model": "CE8855-32CQ8BQ",
        "serial": "2102353TESTCE0000001",
        "part_number": "02353TST",
    }
    assert (found["version"], found["patch"], found["uptime_seconds"]) == ("V300R023C00SPC500", "V300R023SPH010", 93780)
    psu, fan = found["psu"], found["fan"]
    assert (psu["present_count"], psu["absent_count"], psu["without_input"]) == (2, 1, ["PWR2"])
    assert psu["unhealthy"] == ["PWR2: Critical, no output"]
    assert psu["parts"][0]["serial"] == "2102PWRTEST01"
    assert (fan["present_count"], fan["absent_count"]) == (2, 1)
    assert fan["unhealthy"] == ["FAN2: Critical, alarm: abnormal"]
    assert fan["parts"][0]["rpm"] == 10700.0
    assert [part["slot"] for part in found["parts"]] == ["1"]
    assert found["notes"] == []


def test_older_commands_where_the_newer_are_refused() -> None:
    played = Played({
        "display version": VERSION, "display device": DEVICE, "display device manufacture-info": MANUFACTURE,
        "display power": POWER, "display fan": FAN,
    })  # fmt: skip
    entry = read("sw1", NOWHERE, played)
    found = entry["observation"]["facts"]
    assert found["identity"]["serial"] == "2102350TESTCE0000002"
    assert found["identity"]["part_number"] is None
    assert found["psu"]["present_count"] == 2
    assert "display esn" not in played.asked
    assert [raw["rc"] for raw in entry["raw"]] == [0, 0, 1, 1, 0, 1, 0, 1, 0]
    names = [raw["name"] for raw in entry["raw"]]
    assert len(names) == len(set(names))


def test_a_label_command_that_shows_none_is_not_the_last_word() -> None:
    answers = {name: text for name, text in V300.items() if "elabel" not in name}
    found = facts({**answers, "display device elabel": "\n", "display device manufacture-info": MANUFACTURE})
    assert found["identity"]["serial"] == "2102350TESTCE0000002"


def test_esn_is_asked_only_for_want_of_a_label() -> None:
    answers = {name: text for name, text in V300.items() if "elabel" not in name}
    assert facts({**answers, "display device esn": " ESN of slot 1: 2102ESN1\n"})["identity"]["serial"] == "2102ESN1"
    found = facts(answers)
    assert found["identity"]["serial"] is None
    assert any(note["where"] == "identity.serial" for note in found["notes"])


def test_what_no_command_shows_is_null_with_a_reason() -> None:
    found = facts({"display version": VERSION})
    assert found["identity"]["model"] == "CE8855-32CQ8BQ"
    assert found["psu"] is None
    assert found["fan"] is None
    assert found["parts"] is None
    where = {note["where"] for note in found["notes"]}
    assert {"device", "labels", "power", "fan", "psu"} <= where


def test_a_part_of_which_nothing_is_said_is_unknown_not_good() -> None:
    device = DEVICE.replace("Registered   Normal    NA", "Registered   -         NA").replace("Abnormal", "-       ")
    found = facts({"display version": VERSION, "display device": device})
    assert found["fan"]["unknown_health"] == ["FAN1", "FAN2"]
    assert found["psu"]["unknown_health"] == ["PWR1", "PWR2"]
    unregistered = device.replace("Registered   -         NA", "Unregistered -         NA")
    assert facts({"display version": VERSION, "display device": unregistered})["fan"]["unhealthy"] == [
        "FAN1: Warning, not registered",
        "FAN2: Warning, not registered",
    ]


def test_each_chassis_of_a_stack_keeps_its_parts() -> None:
    body = DEVICE.split("\n")[4:9]
    second = "\n".join(["2" + body[0][1:], *body[1:]])
    found = facts({"display version": VERSION, "display device": DEVICE + second + "\n"})
    assert found["fan"]["present_count"] == 4
    assert [part["slot"] for part in found["psu"]["parts"]] == ["1/PWR1", "1/PWR2", "2/PWR1", "2/PWR2"]


def test_another_vendors_switch_is_asked_one_thing_and_not_guessed_at() -> None:
    played = Played({"display version": "H3C Comware Software, Version 7.1.070, Release 6710\nUptime is 1 week\n"})
    found = read("sw1", NOWHERE, played)["observation"]["facts"]
    assert played.asked == ["display version"]
    assert found["reachable"] is True
    assert found["identity"]["manufacturer"] is None
    assert found["psu"] is None
    assert "neither Huawei VRP nor YunShan" in found["notes"][0]["problem"]
    assert "H3C Comware" in found["notes"][0]["problem"]


def test_a_session_that_breaks_keeps_what_was_read() -> None:
    found = facts({**V300, "display device power": SessionError("the connection is gone")})
    assert found["identity"]["serial"] == "2102353TESTCE0000001"
    assert found["psu"]["present_count"] == 2  # from display device
    assert found["notes"][0] == {"where": "session", "problem": "the connection is gone"}


def test_the_device_that_says_it_is_simulated_is_stamped() -> None:
    simulated = {**V300, "display version": VERSION + "This is a simulated switch\n"}
    assert read("sw1", NOWHERE, Played(simulated))["observation"]["provenance"] == "simulated"
    assert read("sw1", NOWHERE, Played(V300))["observation"]["provenance"] == "hardware"


# over SSH


def test_over_ssh_the_whole_switch(tmp_path: Path) -> None:
    with serving(Cli(V300)) as cli:
        entry = read("sw1", cli.target(tmp_path))
    assert entry["observation"]["facts"] == facts(V300)
    assert PASSWORD not in str(entry)
    asked = [command for command in cli.seen if command.startswith(("display", "screen-length"))]
    assert asked == [
        "screen-length 0 temporary",
        *[commands[0] for name, commands in COMMANDS.items() if name != "esn"],
    ]
    assert not any(word in " ".join(cli.seen) for word in ("system-view", "save", "commit"))


def test_questions_are_answered_with_no(tmp_path: Path) -> None:
    greeting = "Warning: There are security risks in the configuration file. Save now? [Y/N]:"
    answers = {name: text for name, text in V300.items() if "elabel" not in name}
    with serving(Cli({**answers, "display elabel": QUESTION}, greeting=greeting)) as cli:
        found = read("sw1", cli.target(tmp_path))["observation"]["facts"]
    assert found["identity"]["model"] == "CE8855-32CQ8BQ"
    assert [word for word in cli.seen if word.upper() in ("Y", "N", "YES")] == ["N", "N"]


def unreadable(target: Target) -> str:
    started = time.monotonic()
    entry = read("sw1", target)
    assert time.monotonic() - started < target.timeout_seconds + 8
    found = entry["observation"]["facts"]
    assert found["reachable"] is False
    assert found["identity"]["serial"] is None
    assert PASSWORD not in str(entry)
    [note] = found["notes"]
    assert note["where"] == "session"
    return str(note["problem"])


def test_sessions_that_cannot_be_had_say_why(tmp_path: Path) -> None:
    with serving(Cli(V300)) as cli:
        good = cli.target(tmp_path)
        assert "user reader is refused" in unreadable(good._replace(password="wrong"))
        other = cli.target(tmp_path, key=paramiko.ECDSAKey.generate())
        assert "another host key" in unreadable(other)
        (tmp_path / "known_hosts").write_text("")
        assert "is not in" in unreadable(good)
        assert "does not exist" in unreadable(good._replace(known_hosts=str(tmp_path / "none")))
        assert cli.seen == []  # nothing was sent to a switch that is not known
    assert "refuses connections" in unreadable(cli.target(tmp_path))


def test_a_switch_that_falls_silent(tmp_path: Path) -> None:
    with serving(Cli(V300, silent=("display device elabel brief",))) as cli:
        started = time.monotonic()
        found = read("sw1", cli.target(tmp_path, timeout=2))["observation"]["facts"]
    assert time.monotonic() - started < 20
    assert found["identity"]["model"] == "CE8855-32CQ8BQ"
    assert found["identity"]["serial"] is None
    assert found["notes"][0]["problem"] == "'display device elabel brief': no prompt within 2 s"


def test_a_port_that_speaks_no_ssh(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        known = tmp_path / "known_hosts"
        known.write_text("")
        target = Target("127.0.0.1", listener.getsockname()[1], "reader", PASSWORD, str(known), 1)
        assert "does not" in unreadable(target)


def test_the_target_never_shows_its_password() -> None:
    assert PASSWORD not in repr(NOWHERE)
    with pytest.raises(SessionError), Session(NOWHERE):
        pass
