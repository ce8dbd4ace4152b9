"""The service of the NPU tools behind its Unix sockets, and the client that stands in the node under a tool's name."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from lab.npu import sockets
from lab.npu.call import Call, Gone, Session, plain
from lab.npu.service import Server
from lab.npu.tools import TOOLS
from lab.world import World
from tests.unit.lab_npu_helpers import Site
from tests.unit.lab_npu_helpers import site as make_site

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "lab" / "nodes" / "tools" / "npu_client"
ENDED = threading.Event()


def slow(call: Call) -> int:
    call.say("begun\n")
    try:
        call.wait(30)
    except Gone:
        ENDED.set()
        raise
    return 0


def crash(_: Call) -> int:
    raise RuntimeError("planted")


def echo(world: World, node: str, argv: Any, say: Any) -> int:
    say(f"{world.read(node)['name']}: {' '.join(argv)}\n")
    return 3


TESTED: Mapping[str, Session] = {**TOOLS, "slow": slow, "crash": crash, "echo": plain(echo)}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return make_site(tmp_path / ("a" * 60), monkeypatch)


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    # A state directory may be deeper than the path of a socket can be.
    made = Server(site.world.root.parent / ("b" * 60), site.world, TESTED)
    made.start()
    yield made
    made.stop()


def place(server: Server, node: str = "node1") -> Path:
    return sockets.folder(server.state, node)


def ask(server: Server, request: Any, node: str = "node1") -> list[dict[str, Any]]:
    with sockets.connect(place(server, node)) as channel:
        channel.settimeout(10)
        channel.sendall(request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n")
        answers: list[dict[str, Any]] = []
        for line in channel.makefile("rb"):
            answers.append(json.loads(line))
            if "rc" in answers[-1]:
                break
        return answers


def until(true: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def call(*argv: str, conf: str | None = "", **more: Any) -> dict[str, Any]:
    return {"tool": "hccn_tool", "argv": list(argv), "files": {"/etc/hccn.conf": conf}, **more}


def test_a_call_is_answered_in_lines_and_ends_with_status_and_files(server: Server) -> None:
    assert ask(server, call("-i", "0", "-mtu", "-g")) == [{"out": "mtu:1500\n"}, {"rc": 0, "files": {}}]
    answers = ask(server, call("-i", "0", "-mtu", "-s", "size", "8192", conf="x_0=1\n"))
    assert answers == [
        {"out": "Cmd executed successfully!\n"},
        {"rc": 0, "files": {"/etc/hccn.conf": "x_0=1\nmtu_0=8192\n"}},
    ]
    assert ask(server, call("-i", "9", "-mtu", "-g"))[0] == {"err": "Get invalid device id.\n"}


def test_a_socket_speaks_for_its_own_node(server: Server, site: Site) -> None:
    ask(server, call("-i", "0", "-mtu", "-s", "size", "8192"), node="node2")
    assert site.net("node2", "NPU1")["conf"]["mtu"] == 8192
    assert site.net("node1", "NPU1")["conf"]["mtu"] == 1500
    assert ask(server, {"tool": "echo", "argv": ["a", "b"]}, node="node3")[0] == {"out": "node3: a b\n"}


def test_sockets_are_for_their_owner_only(server: Server) -> None:
    assert (place(server) / sockets.SOCKET).stat().st_mode & 0o777 == 0o600
    assert place(server).stat().st_mode & 0o777 == 0o700


def test_unknown_and_failing_tools(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(server, {"tool": "rm", "argv": []})[-1] == {"rc": 127, "files": {}}
    answers = ask(server, {"tool": "crash", "argv": []})
    assert answers == [{"err": "crash: the simulator failed; see its log\n"}, {"rc": 70, "files": {}}]
    assert "RuntimeError: planted" in capfd.readouterr().err
    assert ask(server, call("-i", "0", "-mtu", "-g"))[-1]["rc"] == 0


def test_closing_the_connection_kills_the_tool(server: Server) -> None:
    ENDED.clear()
    with sockets.connect(place(server)) as channel:
        channel.sendall(b'{"tool": "slow", "argv": []}\n')
        assert channel.makefile("rb").readline() == b'{"out": "begun\\n"}\n'
    assert ENDED.wait(5)


def test_the_tool_is_busy_until_the_client_has_written_its_file(server: Server) -> None:
    with sockets.connect(place(server)) as channel:
        channel.sendall(json.dumps(call("-i", "0", "-mtu", "-s", "size", "8192")).encode() + b"\n")
        lines = channel.makefile("rb")
        assert b"Cmd executed" in lines.readline()
        assert b'"rc": 0' in lines.readline()
        assert ask(server, call("-i", "0", "-mtu", "-g"))[0] == {"out": "hccn_tool is busy, please try again.\n"}
        lines.close()
    until(lambda: ask(server, call("-i", "0", "-mtu", "-g"))[-1]["rc"] == 0)


def test_a_host_that_booted_has_npus_that_know_nothing(server: Server) -> None:
    ask(server, call("-i", "0", "-mtu", "-s", "size", "8192", boot="7"))
    assert ask(server, call("-i", "0", "-mtu", "-g", boot="7"))[0] == {"out": "mtu:8192\n"}
    assert ask(server, call("-i", "0", "-mtu", "-g", boot="8"))[0] == {"out": "mtu:1500\n"}


def test_power_is_followed_without_any_call(server: Server, site: Site) -> None:
    ask(server, call("-i", "0", "-mtu", "-s", "size", "8192"))
    with site.world.update("node1") as node:
        node["power"] = "off"
    server.tick()
    assert site.net("node1", "NPU1")["conf"]["mtu"] == 1500


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b'{"tool": 1, "argv": []}\n',
        b'{"tool": "echo", "argv": [1]}\n',
        b'{"tool": "echo", "argv": "x"}\n',
        b'{"tool": "echo", "argv": [], "files": {"/x": 1}}\n',
        b'{"tool": "echo", "argv": [], "boot": 1}\n',
        b"\xff\xfe\n",
        b"{" * 100000 + b"\n",
    ],
)
def test_what_is_no_request_gets_no_answer_and_no_tool(server: Server, request_: bytes) -> None:
    with sockets.connect(place(server)) as channel:
        channel.settimeout(5)
        channel.sendall(request_)
        channel.shutdown(socket.SHUT_WR)
        assert channel.recv(100) == b""
    assert sockets.probe(place(server)) is None


@hypothesis.settings(
    max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None
)
@hypothesis.given(st.binary(max_size=300))
def test_garbage_never_ends_the_service(server: Server, data: bytes) -> None:
    with sockets.connect(place(server)) as channel:
        channel.sendall(data + b"\n")
        channel.shutdown(socket.SHUT_WR)
    assert sockets.probe(place(server)) is None


def test_a_service_that_is_gone(server: Server) -> None:
    assert sockets.probe(place(server)) is None
    server.stop()
    assert sockets.probe(place(server)) is not None
    again = Server(server.state, server.world, TESTED)
    again.start()
    assert sockets.probe(place(again)) is None
    again.stop()


def test_the_program_starts_answers_and_ends(site: Site) -> None:
    state = site.world.root.parent
    process = subprocess.Popen([sys.executable, "-m", "lab.npu", "--state", str(state)], cwd=ROOT)
    try:
        until(lambda: sockets.folder(state, "node3").exists() and sockets.probe(sockets.folder(state, "node3")) is None)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
    assert not (sockets.folder(state, "node3") / sockets.SOCKET).exists()


# --- the client in the node ------------------------------------------------------------------------------------------


@pytest.fixture
def tool(server: Server, tmp_path: Path) -> Path:
    """The client under the name hccn_tool, with its paths turned to this test's."""
    text = CLIENT.read_text(encoding="utf-8")
    link = tmp_path / "run"
    link.symlink_to(place(server))
    (tmp_path / "hccn.conf").write_text("kept_0=1\n", encoding="utf-8")
    text = text.replace("/opt/npuforge-twin/run", str(link)).replace('"/etc/hccn.conf"', f'"{tmp_path}/hccn.conf"')
    (tmp_path / "version.info").write_text("Version=24.1.0.3\n", encoding="utf-8")
    text = text.replace("/usr/local/Ascend/driver/version.info", f"{tmp_path}/version.info")
    text = text.replace("PATIENCE = 20.0", "PATIENCE = 0.2").replace("/usr/bin/python3 -SE", f"{sys.executable} -SE")
    path = tmp_path / "hccn_tool"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    shutil.copy(path, tmp_path / "slow")
    return path


def run(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=20, check=False)


def test_the_client_is_the_tool(tool: Path) -> None:
    done = run(tool, "-i", "0", "-mtu", "-g")
    assert (done.returncode, done.stdout, done.stderr) == (0, "mtu:1500\n", "")
    done = run(tool, "-i", "0", "-ip", "-g")
    assert (done.returncode, done.stdout) == (13, "")
    assert done.stderr == "Get ipconf failed, because no ip was preset there!\n"


def test_killing_the_client_kills_the_tool(tool: Path) -> None:
    ENDED.clear()
    process = subprocess.Popen([str(tool.with_name("slow"))], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    process.kill()
    process.wait(5)
    process.stdout.close()
    assert ENDED.wait(5)


def test_without_the_service_the_client_says_so(tool: Path, server: Server) -> None:
    server.stop()
    done = run(tool, "-i", "0", "-mtu", "-g")
    assert done.returncode == 1
    assert "the twin's service npu does not answer" in done.stderr


@pytest.mark.root
def test_the_client_is_for_root(tool: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("this test needs root")
    for folder in tool.parents:
        if folder != Path(folder.anchor) and not folder.stat().st_mode & 0o005:
            folder.chmod(0o755)
    done = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", tool, "-i", "0", "-mtu", "-g")
    assert done.stderr == "permission denied: pls check this cmd run permission.\n"
    assert done.returncode == 12
