"""The service as a whole, over SSH with plain paramiko: login, host key, paging, reboot, power."""

from __future__ import annotations

import base64
import contextlib
import stat
import subprocess
import sys
import time

import paramiko
import pytest

from lab.switch import keys
from tests.unit.lab_switch_helpers import ADDRESS, PASSWORD, ROOT, Service, answers, service, until


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with service(tmp_path_factory.mktemp("switch")) as made:
        yield made


@contextlib.contextmanager
def client(switch: Service, user: str = "npuforge", password: str = PASSWORD):
    """A client that checks the host key against the known_hosts that the service wrote."""
    made = paramiko.SSHClient()
    made.load_host_keys(str(switch.state / "ssh" / "known_hosts"))
    made.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        made.connect(
            ADDRESS, switch.port, user, password, allow_agent=False, look_for_keys=False, timeout=10, auth_timeout=10
        )
        yield made
    finally:
        made.close()


class Screen:
    """A terminal: what was printed since the last question."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self.channel = channel
        channel.settimeout(10)

    def until(self, end: str) -> str:
        text = ""
        while not text.endswith(end):
            data = self.channel.recv(4096)
            assert data, f"closed after {text!r}"
            text += data.decode()
        return text

    def type(self, text: str, end: str) -> str:
        self.channel.sendall(text.encode())
        return self.until(end)


@pytest.fixture
def screen(switch):
    with client(switch) as made:
        screen = Screen(made.invoke_shell())
        greeting = screen.until("<sw1>")
        assert "The current login time is" in greeting
        assert "simulated" in made.get_transport().remote_version
        assert "This switch is simulated." in greeting  # whoever reads it must be able to say so in evidence
        yield screen


@pytest.mark.parametrize(("user", "password"), [("npuforge", "wrong"), ("admin", PASSWORD), ("npuforge", "")])
def test_wrong_credentials_are_refused(switch, user, password):
    with pytest.raises(paramiko.AuthenticationException), client(switch, user, password):
        pass


def test_no_command_without_a_shell(switch):
    with client(switch) as made, pytest.raises(paramiko.SSHException):
        made.exec_command("display version")


def test_echo_and_line_editing(screen):
    assert screen.type("dispXX\x7f\x7flay clock\r", "<sw1>").startswith("dispXX\b \b\b \blay clock\r\n20")


def test_crlf_is_one_line_end(screen):
    output = screen.type("display clock\r\n", "<sw1>")
    assert output.count("<sw1>") == 1


def test_ctrl_c_drops_the_line(screen):
    assert screen.type("reboot\x03", "<sw1>") == "reboot\r\n<sw1>"


def test_question_mark_helps_and_keeps_the_line(screen):
    output = screen.type("display al?", "<sw1>display al")
    assert "  alarm\r\n" in output
    screen.type("\x03", "<sw1>")


def test_long_output_stops_at_more(screen):
    first = screen.type("display interface brief\r", "  ---- More ----")
    assert first.count("\n") == 24  # the line itself and 23 of the output
    one_more = screen.type("\r", "  ---- More ----")
    assert one_more.count("\r\n") == 1
    assert screen.type("q", "<sw1>").count("GE1/0") == 0
    screen.type("display interface brief\r", "  ---- More ----")
    assert "NULL0" not in screen.type(" ", "  ---- More ----")
    assert "NULL0" in screen.type(" ", "<sw1>")
    screen.type("screen-length 0 temporary\r", "<sw1>")
    whole = screen.type("display interface brief\r", "<sw1>")
    assert "More" not in whole
    assert whole.count("\n") > 40


def test_quit_closes_the_connection(screen):
    screen.channel.sendall(b"quit\r")
    until(lambda: screen.channel.recv(100) == b"", "closed")


def test_the_key_stays_and_is_known(switch):
    path = switch.state / "ssh" / "switch_host_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = keys.host_key(switch.state / "ssh", "sw1")
    known = switch.state / "ssh" / "known_hosts"
    before = known.read_text()
    assert before == f"[{ADDRESS}]:{switch.port} ssh-ed25519 {key.get_base64()}\n"
    keys.announce(switch.state / "ssh", ADDRESS, switch.port, key)
    assert known.read_text() == before


def test_known_hosts_of_others_are_left_alone(tmp_path):
    key = keys.host_key(tmp_path, "sw1")
    other = base64.b64encode(b"other").decode()
    (tmp_path / "known_hosts").write_text(f"10.0.0.1,node1 ssh-ed25519 {other}\n[{ADDRESS}]:22022 ssh-rsa {other}\n")
    keys.announce(tmp_path, ADDRESS, 22022, key)
    assert (tmp_path / "known_hosts").read_text().splitlines() == [
        f"10.0.0.1,node1 ssh-ed25519 {other}",
        f"[{ADDRESS}]:22022 ssh-ed25519 {key.get_base64()}",
    ]


def test_the_key_made_by_up_is_used(tmp_path):
    own = keys.host_key(tmp_path, "sw1")
    (tmp_path / "switch_host_key").rename(tmp_path / "sw2_host_ed25519")
    assert keys.host_key(tmp_path, "sw2") == own
    assert keys.host_key(tmp_path, "sw1") != own


def test_power_cut_and_return(switch):
    with client(switch) as made:
        screen = Screen(made.invoke_shell())
        screen.until("<sw1>")
        for line, end in (("system-view", "[~sw1]"), ("sysname unsaved", "[*sw1]"), ("commit", "[~unsaved]")):
            screen.type(f"{line}\r", end)
        with switch.world.update("sw1", "switches") as document:
            document["power"] = "off"
        until(lambda: not answers(switch.port), "it is off")
        until(lambda: screen.channel.closed or not screen.channel.get_transport().is_active(), "the session is cut")
    with switch.world.update("sw1", "switches") as document:
        document["power"] = "on"
    until(lambda: answers(switch.port), "it is back")
    with client(switch) as made:
        Screen(made.invoke_shell()).until("<sw1>")  # what was not saved is gone


def test_reboot_takes_its_time(switch):
    with client(switch) as made:
        screen = Screen(made.invoke_shell())
        screen.until("<sw1>")
        screen.type("reboot\r", "[Y/N]:")
        screen.channel.sendall(b"y\r")
        began = time.monotonic()
        until(lambda: not answers(switch.port), "it reboots")
    until(lambda: answers(switch.port), "it is back")
    assert time.monotonic() - began > 2


def test_a_second_service_says_that_the_port_is_taken(switch):
    done = subprocess.run(
        [sys.executable, "-m", "lab.switch", "--state", str(switch.state)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "Address already in use" in done.stderr


def test_probes_leave_no_noise_in_its_log(switch):
    for _ in range(3):
        assert answers(switch.port)
    time.sleep(0.5)
    assert "Traceback" not in switch.log


def test_the_password_is_not_in_its_log(switch):
    assert PASSWORD not in switch.log
