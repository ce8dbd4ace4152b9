"""What a node is asked, what is decided, and what its shell then really does."""

from __future__ import annotations

import http.server
import shutil
import threading
from pathlib import Path

import pytest
from ansible.module_utils import basic
from hypothesis import given
from hypothesis import strategies as st

from controller.bootstrap import look, run
from tests.unit.python_bootstrap_helpers import MACHINE, Node, archive, artifact


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_node_with_a_python_that_is_new_enough_costs_one_command(node: Node) -> None:
    node.has("python3", "3.6.8")
    node.has("python3.9", "3.9.9")

    def never() -> run.Bundle:
        raise AssertionError("nobody needs the bundle")

    answer = run.present(node.call, node.wanted(), never, node.said.append)
    assert (answer["changed"], answer["interpreter"], answer["shipped"]) == (False, str(node.bin / "python3.9"), False)
    assert set(answer["pythons"].values()) == {"3.6.8", "3.9.9"}
    assert (len(node.calls), node.said, node.files()) == (1, [], {})


def test_the_limit_is_that_of_the_ansible_that_is_installed() -> None:
    assert run.Wanted().minimum == basic._PY_MIN


@pytest.mark.parametrize("top", ["python/", ""])
def test_it_is_shipped_once_replaced_by_another_and_removed(node: Node, top: str) -> None:
    node.content = archive("3.11.9", top)
    node.bundle = run.Bundle("http://127.0.0.1:9", [artifact(node.content)], node.local)
    node.has("python3", "3.7.9")
    planned = node.present(check=True, transfer="ssh")
    assert (planned["changed"], planned["interpreter"], node.files()) == (True, None, {})
    assert "python3 is 3.7.9, and Ansible's modules need 3.8: would ship Python 3.11.9" in planned["msg"]
    first = node.present(transfer="ssh")
    assert (first["changed"], first["interpreter"]) == (True, f"{node.prefix}/bin/python3")
    assert set(node.files()) == {"opt/npuforge/python/bin/python3", f"opt/npuforge/python/{look.MARK}"}
    before = len(node.calls)
    assert not node.present()["changed"]
    assert not node.present(check=True)["changed"]
    assert len(node.calls) == before + 2
    node.content = archive("3.12.1")
    node.bundle = run.Bundle("http://127.0.0.1:9", [artifact(node.content, version="3.12.1")], node.local)
    assert node.present(check=True)["interpreter"] == f"{node.prefix}/bin/python3"
    assert node.present(transfer="ssh")["msg"].startswith(f"{node.prefix}/bin/python3 is Python 3.12.1")
    assert run.absent(node.call, node.wanted(check=True))["changed"]
    assert node.files()
    assert run.absent(node.call, node.wanted())["changed"]
    assert not (node.top / "opt/npuforge").exists()
    assert not run.absent(node.call, node.wanted())["changed"]


@pytest.mark.parametrize("tool", [*filter(shutil.which, ("curl", "wget")), "an old python3"])
def test_a_node_fetches_it_over_http(node: Node, tool: str) -> None:
    program = shutil.which(tool)
    if program:
        (node.bin / tool).symlink_to(program)
    else:
        node.has_working("python3", "3.6.8")
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(node.content)))
            self.end_headers()
            self.wfile.write(node.content)

        def log_message(self, *_: object) -> None:
            """Nothing on the tests' output."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        node.bundle = node.bundle._replace(url=url)
        assert node.present(transfer="http")["changed"]
        server.shutdown()
    assert asked == ["/files/python.tar.gz"]
    assert not node.present()["changed"]


def test_a_server_that_does_not_answer_is_named(node: Node) -> None:
    node.has_working("python3", "3.6.8")
    with pytest.raises(
        run.BootstrapError, match=r"python.tar.gz: http://127.0.0.1:9/files/python.tar.gz cannot be had: <urlopen error"
    ):
        node.present()
    assert node.files() == {}


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        (archive(), {"sha256": "0" * 64}, r"python.tar.gz: wrong content \(expected SHA-256 000000"),
        (b"no archive", {}, "it cannot be unpacked"),
        (archive("3.7.1"), {}, "it is Python 3.7.1, and 3.8 is needed"),
        (archive("2.99.1"), {}, "it is Python 2.99.1, and 3.8 is needed"),
        (archive(body="#!/bin/sh\necho no such symbol >&2; exit 1\n"), {}, "does not run on this node: no such symbol"),
        (archive(top="a/b/"), {}, "there is no bin/python3 in it"),
        (archive(), {"arch": ["riscv64"]}, f"the bundle has no Python .* for {MACHINE}"),
        (archive(), {"sha256": None}, "the manifest has no hash for it"),
        (archive(), {"kind": "rpm"}, "expected a tar"),
        (archive(), {"file": "../x"}, "not the name of a file"),
    ],
)
def test_what_is_not_right_is_not_put_in_place(node: Node, content: bytes, more: dict[str, object], words: str) -> None:
    assert node.present(transfer="ssh")["changed"]
    before = node.files()
    (node.top / "opt/npuforge/python" / look.MARK).write_text("1" * 64 + " old\n", encoding="ascii")
    (node.top / "opt/npuforge/python/bin/python3").write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    kept = node.files()
    node.content = content
    node.bundle = node.bundle._replace(artifacts=[artifact(content, **more)])
    with pytest.raises(run.BootstrapError, match=words):
        node.present(transfer="ssh")
    assert node.files() == kept != before


def test_somebody_elses_folder_is_left_alone(node: Node) -> None:
    other = Path(node.prefix)
    (other / "data").mkdir(parents=True)
    (other / "data/file").write_text("theirs", encoding="ascii")
    with pytest.raises(run.BootstrapError, match="was not made by npuforge"):
        node.present(transfer="ssh")
    with pytest.raises(run.BootstrapError, match="was not made by npuforge"):
        run.absent(node.call, node.wanted())
    assert node.files() == {"opt/npuforge/python/data/file": b"theirs"}


def test_a_run_killed_after_any_command_converges(node: Node) -> None:
    """Killed in the middle of the change too: what is left beside the prefix is swept."""
    beside = Path(node.prefix).parent
    (beside / ".python.new/python").mkdir(parents=True)
    (beside / ".python.old/bin").mkdir(parents=True)
    (beside / ".python.part").write_bytes(b"half")
    assert node.present(transfer="ssh")["changed"]
    assert {path.name for path in beside.iterdir()} == {"python"}
    for count in range(1, 5):
        run.absent(node.call, node.wanted())
        left = [count]

        def call(script: str, data: bytes | None, left: list[int] = left) -> tuple[int, str, str]:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return node.call(script, data)

        if count < 4:
            with pytest.raises(KeyboardInterrupt):
                run.present(call, node.wanted(transfer="ssh"), lambda: node.bundle, node.said.append)
        assert node.present(transfer="ssh")["changed"]
        assert not node.present()["changed"]
        assert {path.name for path in beside.iterdir()} == {"python"}


def test_without_a_bundle_what_was_shipped_goes_on(node: Node) -> None:
    def none() -> run.Bundle:
        raise run.BootstrapError("no bundle")

    with pytest.raises(run.BootstrapError, match=r"it has no python3, and Ansible's modules need 3.8; no bundle"):
        run.present(node.call, node.wanted(), none, node.said.append)
    node.present(transfer="ssh")
    answer = run.present(node.call, node.wanted(), none, node.said.append)
    assert (answer["changed"], answer["interpreter"]) == (False, f"{node.prefix}/bin/python3")


def test_the_inventorys_choice_comes_first_and_odd_ones_are_no_path(node: Node) -> None:
    node.has("python3", "3.12.0")
    node.has("mine", "3.9.1")
    assert node.present(given=str(node.bin / "mine"))["interpreter"] == str(node.bin / "mine")
    for odd in ("auto_silent", "/usr/bin/env python3", "", None):
        assert run.wanted_of_options("/opt/npuforge/python", "3.8", odd, "auto", False).given is None


@pytest.mark.parametrize("prefix", ["/", "/opt", "opt/x", "/opt/../etc", "/opt/a b", "/opt/npuforge/", "/opt/.x"])
def test_a_dangerous_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(run.BootstrapError, match="python_bootstrap_prefix"):
        run.wanted_of_options(prefix, "3.8", None, "auto", False)


WHOLE = (
    "Welcome!\r\nnpuforge-bootstrap begin\nnpuforge-bootstrap machine aarch64\nnpuforge-bootstrap system kylin V10\n"
    "npuforge-bootstrap python 3.7.9 /usr/bin/python3\nnpuforge-bootstrap python broken /usr/bin/python3.8\n"
    f"npuforge-bootstrap there {'a' * 64} python.tar.gz\nnpuforge-bootstrap tool curl\nnpuforge-bootstrap end\nbye\n"
)


def test_the_answer_is_read_among_other_lines() -> None:
    seen = look.parse(WHOLE)
    assert seen == look.Look(
        "aarch64",
        "kylin V10",
        (("/usr/bin/python3", (3, 7, 9)), ("/usr/bin/python3.8", None)),
        True,
        "a" * 64,
        frozenset({"curl"}),
    )
    assert seen.told() == "/usr/bin/python3 is 3.7.9, /usr/bin/python3.8 does not run"


@given(st.integers(0, len(WHOLE)), st.text(max_size=40), st.integers(0, len(WHOLE)))
def test_a_damaged_answer_is_refused_or_read_never_a_traceback(start: int, junk: str, end: int) -> None:
    text = WHOLE[:start] + junk + WHOLE[end:]
    try:
        seen = look.parse(text)
    except look.LookError:
        return
    assert seen.machine
    assert seen.mark is None or len(seen.mark) == 64
    assert all(path.startswith("/") for path, _ in seen.pythons)
