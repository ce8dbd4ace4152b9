"""Switches that are not as somebody expects: what they say over SSH, and that the toolkit then leaves them alone."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator

import netmiko
import paramiko
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.switch.roce import run
from npuforge.switch.session import Target

from lab.switch import RefusedLine, human
from lab.switch.cli import GRAMMAR
from lab.switch.persona import shell
from lab.switch.store import Who
from tests.unit.lab_switch_helpers import ADDRESS, PASSWORD, Clock, Service, device, enter, service, session, until
from tests.unit.switch_roce_helpers import part


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("persona")) as made:
        yield made


@pytest.fixture
def switch(running) -> Iterator[Service]:
    before = running.world.read("sw1", "switches")
    yield running
    with running.world.update("sw1", "switches") as document:
        document.clear()
        document.update(before)


def be(switch: Service, **odd: object) -> None:
    """``model``, ``version`` and ``config_lock`` are the switch's own; the rest is its persona."""
    with switch.world.update("sw1", "switches") as document:
        for key in ("model", "version", "config_lock"):
            if key in odd:
                document[key] = odd.pop(key)
        document["persona"] = odd


def target(switch: Service, seconds: float = 2) -> Target:
    return Target(ADDRESS, switch.port, "npuforge", PASSWORD, str(switch.state / "ssh" / "known_hosts"), seconds)


def configuration(switch: Service) -> object:
    """What runs and what is saved, and every commit since."""
    config = switch.world.read("sw1", "switches")["config"]
    return config["running"], config["saved"], config["commits"]


def apply(switch: Service) -> run.Result:
    """The toolkit's module, asked to configure."""
    request = run.Request("sw1", "huawei_vrpv8", part(), commit=True, takeover=False, check=False)
    return run.run(request, target(switch), None, lambda _: None)


# Whoever they are, the module must say what is wrong, and change nothing.
UNEXPECTED = [
    ({"os": "ios"}, r"its prompt is 'sw1>', not the user view's"),
    ({"os": "vrp5", "model": "S6730-H48X6C", "version": "V200R019C00SPC500"}, r"VRP5 has no two-stage configuration"),
    ({"model": "CE6820H-48S6CQ"}, r"refused: .*Unrecognized command.*the candidate was cleared"),
    ({"commit_fails": "The board is being upgraded."}, r"'commit trial 120' was refused: Error: The board is being"),
    # A client that does not look whether its channel was closed waits for a prompt until its time is over.
    ({"terminals": 0}, r"has no session left \(too many sessions\)"),
    (
        {"config_lock": {"user": "admin", "lines": ["interface 400GE1/0/1:1", "undo dcb pfc enable"]}},
        r"admin \(VTY 20\) has locked the configuration; nothing was entered",
    ),
]


@pytest.mark.parametrize(("odd", "told"), UNEXPECTED, ids=[next(iter(odd)) for odd, _ in UNEXPECTED])
def test_what_the_toolkit_does_not_expect_it_names_and_leaves(switch, odd, told):
    before = configuration(switch)
    be(switch, **odd)
    result = apply(switch)
    assert (result.changed, result.failed) == (False, True)
    assert result.message.startswith("sw1: ")
    assert re.search(told, result.message), result.message
    assert PASSWORD not in str(result)
    assert configuration(switch) == before
    assert switch.world.read("sw1", "switches").get("config_lock") == odd.get("config_lock")


BANNERS = [
    {"banner": "Authorised staff of the hospital only>\n<core-sw1>\n[~core-sw1-10GE1/0/1]\nAgreed? [Y/N]:"},
    {"banner": "\x1b[1m" + "*" * 300 + "\x1b[0m\n[*sw1]"},
    {"login_asks": "Warning: The password needs to be changed. Change now? [Y/N]:"},
]


@pytest.mark.parametrize("odd", BANNERS, ids=["prompts", "a dirty prompt", "a question"])
def test_what_is_said_at_login_disturbs_nobody(switch, odd):
    be(switch, **odd)
    result = apply(switch)
    assert (result.changed, result.failed) == (True, False), result.message
    config = switch.world.read("sw1", "switches")["config"]
    assert config["running"] == config["saved"]


def test_who_says_yes_to_a_new_password_is_let_go(tmp_path):
    made = device(tmp_path)
    with made.world.update("sw1", "switches") as document:
        document["persona"] = {"login_asks": "Change now? [Y/N]:"}
    who = Who("npuforge", "VTY 0", "s1")
    refusing, agreeing = shell(made, who), shell(made, who)
    assert refusing.prompt == "Change now? [Y/N]:"
    refusing.enter("N")
    assert (refusing.prompt, refusing.closed) == ("<sw1>", False)
    agreeing.enter("Y")
    assert agreeing.closed


def said(channel: paramiko.Channel, end: bytes = b"<sw1>") -> bytes:
    """What is printed up to the prompt, or until the switch hangs up."""
    channel.settimeout(5)
    text = b""
    while not text.endswith(end):
        data = channel.recv(1000)
        if not data:
            break
        text += data
    return text


def test_terminals_are_few_numbered_and_freed(switch):
    be(switch, terminals=2)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(plain(switch))) for _ in range(3)]
        first, second = (client.invoke_shell() for client in clients[:2])
        assert b"max number of VTY users is 2, the number of current VTY users online is 1" in said(first)
        assert b"online is 2" in said(second)
        full = said(clients[2].invoke_shell())
        assert b"All user interfaces are used, please try later!" in full
        assert b"<sw1>" not in full
        clients[0].close()

        def admitted() -> bool:
            again = stack.enter_context(contextlib.closing(plain(switch)))
            return said(again.invoke_shell()).endswith(b"<sw1>")

        until(admitted, "the first terminal is free")
        second.sendall(b"display configuration sessions\r")
        text = said(second)
        assert text.index(b"VTY 1 ") < text.index(b"VTY 0 ")  # who came later has the terminal that was left
        assert b"VTY 2" not in text


def plain(switch: Service) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.load_host_keys(str(switch.state / "ssh" / "known_hosts"))
    client.connect(ADDRESS, switch.port, "npuforge", PASSWORD, allow_agent=False, look_for_keys=False)
    return client


def test_netmiko_finds_another_makes_prompt(switch):
    be(switch, os="ios")
    with netmiko.ConnectHandler(
        device_type="cisco_ios",
        host=ADDRESS,
        port=switch.port,
        username="npuforge",
        password=PASSWORD,
        fast_cli=True,
    ) as connection:
        assert connection.find_prompt() == "sw1>"
        assert not connection.check_enable_mode()
        assert "% Invalid input detected" in connection.send_command("show running-config")


def test_the_enable_prompt_asks_and_denies(tmp_path):
    made = device(tmp_path)
    with made.world.update("sw1", "switches") as document:
        document["persona"] = {"os": "ios"}
    cli = shell(made, Who("npuforge", "VTY 0", "s1"))
    assert (cli.enter("enable"), cli.prompt) == ("", "Password: ")
    assert (cli.enter(PASSWORD), cli.prompt) == ("% Access denied", "sw1>")
    assert cli.help("en") == "  enable"
    cli.enter("exit")
    assert cli.closed


def test_the_generation_before_runs_each_line_at_once(tmp_path):
    made = device(tmp_path)
    with made.world.update("sw1", "switches") as document:
        document.update(persona={"os": "vrp5"}, model="S6730-H48X6C", version="V200R019C00SPC500")
    cli = shell(made, Who("npuforge", "VTY 0", "s1"))
    assert "VRP (R) software, Version 5.170 (S6730 V200R019C00SPC500)" in cli.enter("display version")
    cli.enter("system-view")
    assert cli.prompt == "[sw1]"
    cli.enter("sysname core")
    assert cli.prompt == "[core]"
    for line in ("commit", "commit trial 120", "display configuration candidate", "configuration exclusive"):
        assert "Error: Unrecognized command" in cli.enter(line)
    cli.enter("return")
    assert cli.prompt == "<core>"
    cli.enter("save")
    cli.enter("y")
    assert made.store.saved() == made.store.running()


def test_a_commit_that_fails_leaves_the_candidate_and_people_are_refused_too(tmp_path):
    made = device(tmp_path)
    with made.world.update("sw1", "switches") as document:
        document["persona"] = {"commit_fails": "The board is being upgraded."}
    cli = session(made)
    for commit in ("commit", "commit trial 60"):
        assert enter(cli, "system-view", "sysname x", commit) == "Error: The board is being upgraded."
        assert cli.prompt == "[*sw1]"
    with pytest.raises(RefusedLine, match="upgraded"):
        human(made.world, "sw1", ["sysname y"], clock=made.clock)
    assert enter(cli, "clear configuration candidate") == ""


def test_a_session_that_drops_in_the_middle_of_a_trial_rolls_it_back(switch):
    """The switch itself notices that the connection is gone; nobody brings the time forward."""
    before = switch.world.read("sw1", "switches")["config"]["running"]
    client = plain(switch)
    channel = client.invoke_shell()
    for line in ("system-view", "sysname trial", "commit trial 600"):
        channel.sendall(f"{line}\r".encode())
    until(lambda: switch.world.read("sw1", "switches")["config"]["trial"], "the trial runs")
    assert switch.world.read("sw1", "switches")["config"]["running"] != before
    began = time.monotonic()
    client.get_transport().sock.close()  # no SSH goodbye: the cable is out
    until(lambda: switch.world.read("sw1", "switches")["config"]["trial"] is None, "the trial is over")
    assert time.monotonic() - began < 5
    assert switch.world.read("sw1", "switches")["config"]["running"] == before


def test_a_trial_that_outlives_its_session_ends_with_its_time(tmp_path):
    clock = Clock()
    made = device(tmp_path, clock)
    cli = session(made)
    enter(cli, "system-view", "sysname trial", "commit trial 60 persist mine")
    cli.end()
    assert made.sysname() == "trial"
    clock.now += 59
    assert made.sysname() == "trial"
    clock.now += 1
    assert made.sysname() == "sw1"


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    return device(tmp_path_factory.mktemp("fuzzed"))


WORDS = sorted({word for rule in GRAMMAR.rules for word in rule.elements if not word.startswith("<")})
VALUES = [
    "0",
    "3",
    "4",
    "7",
    "33",
    "60",
    "4096",
    "x",
    "npuforge",
    "400GE1/0/1:1",
    "af4",
    "green",
    "?",
    "|",
    "[",
    "\x00",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS + VALUES), max_size=10).map(" ".join), max_size=8))
def test_no_line_is_too_odd(fuzzed, lines):
    """Whatever is typed, there is a prompt again, and nobody else's configuration changes without a commit."""
    cli = session(fuzzed)
    before = fuzzed.store.running()
    cli.enter("system-view")
    for line in lines:
        assert isinstance(cli.enter(line), str)
        assert isinstance(cli.help(line), str)
        assert cli.prompt
    cli.end()
    committed = any(word.startswith(("commit", "rollback", "abort")) for line in lines for word in line.split())
    assert committed or fuzzed.store.running() == before
