"""The twin's launcher (mpirun): host files of both kinds, and what it says when ranks cannot be started."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.hardware import Plan, build_site
from lab.nodes import disk
from lab.npu import collective, launch
from lab.npu.service import Server
from lab.npu.sockets import folder
from lab.state import LabError
from lab.vendor import payload, releases
from lab.world import World
from tests.unit.lab_npu_collective_helpers import Bench
from tests.unit.lab_npu_helpers import Said
from tests.unit.lab_npu_helpers import site as make_site

CLIENT = Path(disk.__file__).parent / "tools" / "npu_client"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(launch, "SSH_SECONDS", 0.0)
    monkeypatch.setattr(collective, "LONGEST_ROW", 0.0)
    return Bench(make_site(tmp_path, monkeypatch))


def where(bench: Bench, hosts: str | None, *argv: str) -> list[str]:
    """The node of each rank."""
    bench.hosts = hosts
    said = bench.mpirun(*argv, "hostname")
    assert said.rc == 0, said.err
    return said.out.split()


EIGHT = ["node1"] * 8


@pytest.mark.parametrize(
    ("hosts", "argv", "nodes"),
    [
        ("10.77.0.11:8\n10.77.0.12:8\n", ["-f", "hosts", "-n", "16"], [*EIGHT, *["node2"] * 8]),
        ("node1 slots=8\nnode3 slots=8\n", ["-hostfile", "hosts", "-n", "16"], [*EIGHT, *["node3"] * 8]),
        ("node3 slots=1 max_slots=8\n", ["--hostfile", "hosts", "-np", "1"], ["node3"]),
        (
            "# ours\nnode2:1 # the second\n\nnode1:1\n",
            ["-machinefile", "hosts", "-n", "3"],
            ["node2", "node1", "node2"],
        ),
        ("node1\nnode2\n", ["-f", "hosts", "-n", "4"], ["node1", "node2", "node1", "node2"]),
        ("node1:8\nnode2:8\n", ["-f", "hosts", "-ppn", "1", "-n", "2"], ["node1", "node2"]),
        ("node1:1\nnode2:2\n", ["-f", "hosts"], ["node1", "node2", "node2"]),
        (None, ["-n", "2"], ["node1", "node1"]),
        (None, ["-H", "localhost:1,node2:1", "-n", "2"], ["node1", "node2"]),
        (None, ["--allow-run-as-root", "--mca", "btl_tcp_if_include", "eth0", "-x", "PATH", "-n", "1"], ["node1"]),
    ],
)
def test_ranks_are_placed_host_after_host(bench: Bench, hosts: str | None, argv: list[str], nodes: list[str]) -> None:
    assert where(bench, hosts, *argv) == nodes


def test_variables_reach_the_ranks_from_everywhere() -> None:
    argv = ["-genv", "HCCL_A", "1", "-env", "HCCL_B", "2", "-x", "HCCL_C=3", "env", "HCCL_D=4", "prog", "-n", "x"]
    job = launch.parse("node1", argv, {"HCCL_A": "own", "HCCL_E": "5"})
    assert job.environment == {"HCCL_A": "1", "HCCL_B": "2", "HCCL_C": "3", "HCCL_D": "4", "HCCL_E": "5"}
    assert (job.program, job.argv) == ("prog", ["-n", "x"])


def failed(bench: Bench, *argv: str) -> Said:
    said = bench.mpirun(*argv)
    assert (said.rc, said.out) == (255, "")
    return said


def test_a_node_that_is_off_is_not_reached(bench: Bench) -> None:
    with bench.site.world.update("node2") as node:
        node["power"] = "off"
    said = failed(bench, "-f", "hosts", "-n", "24", "all_reduce_test", "-p", "8")
    lines = said.err.splitlines()
    assert lines[0] == "ssh: connect to host 10.77.0.12 port 22: No route to host"
    assert lines[-1] == "[mpiexec@node1] main (ui/mpich/mpiexec.c:344): process manager error waiting for completion"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("node9", "ssh: Could not resolve hostname node9: Name or service not known"),
        ("192.0.2.7", "ssh: connect to host 192.0.2.7 port 22: Connection timed out"),
    ],
)
def test_hosts_that_are_none_of_the_site(bench: Bench, host: str, words: str) -> None:
    bench.hosts = f"node1:8\n{host}:8\n"
    assert failed(bench, "-f", "hosts", "-n", "16", "all_reduce_test").err.startswith(words)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-f", "nowhere", "-n", "2", "all_reduce_test"], "unable to open host file: nowhere"),
        (["-n", "two", "all_reduce_test"], "invalid number two"),
        (["-n", "0", "all_reduce_test"], "invalid number 0"),
        (["--frobnicate", "-n", "2", "all_reduce_test"], "unrecognized argument frobnicate"),
        (["-n", "2"], "no executable provided"),
        (["-n", "2", "./bin/missing"], "execvp error on file ./bin/missing (No such file or directory)"),
        (["-n", "2", "ls"], "starts only HCCL Test"),
    ],
)
def test_what_it_does_not_understand(bench: Bench, argv: list[str], words: str) -> None:
    assert words in failed(bench, *argv).err


@pytest.mark.parametrize("text", ["node1:x\n", ":8\n", "node1 slots=many\n"])
def test_host_files_that_are_none(bench: Bench, text: str) -> None:
    bench.hosts = text
    assert "unable to process token" in failed(bench, "-f", "hosts", "-n", "2", "all_reduce_test").err


def test_version_is_mpichs(bench: Bench) -> None:
    said = bench.mpirun("--version")
    assert (said.rc, said.out.splitlines()[0]) == (0, "HYDRA build details:")
    assert "open mpi" not in said.out.lower()


def test_each_line_can_begin_with_its_rank(bench: Bench) -> None:
    bench.site.configure()
    said = bench.mpirun("-n", "2", "-l", "all_reduce_test", "-p", "2", "-b", "1K", "-e", "1K")
    assert all(line.startswith("[0] ") for line in said.out.splitlines())


def test_a_nodes_own_environment_file() -> None:
    text = "# by npuforge\nHCCL_RDMA_TC=132\nexport HCCL_RDMA_SL='4' # words\nPATH=/bin\nASCEND_X=\"1\"\n"
    assert launch._variables(text) == {"HCCL_RDMA_TC": "132", "HCCL_RDMA_SL": "4", "ASCEND_X": "1"}
    assert launch._variables(None) == {}


# --- the client and the image ----------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "world")
    world.create(*build_site(Plan(nodes=2)))
    server = Server(tmp_path, world)
    server.start()
    yield world
    server.stop()


def test_the_client_hands_over_host_file_variables_and_programs(served: World, tmp_path: Path) -> None:
    """The real client as ``mpirun`` and as a test, only its socket's place is another."""
    program, hosts = tmp_path / "bin" / "all_reduce_test", tmp_path / "hosts"
    program.parent.mkdir()
    text = CLIENT.read_text(encoding="utf-8").replace(
        '"/opt/npuforge-twin/run/npu.sock"', repr(str(folder(tmp_path, "node1") / "npu.sock"))
    )
    (tmp_path / "version.info").write_text("Version=24.1.0.3\n", encoding="utf-8")
    text = text.replace("/usr/local/Ascend/driver/version.info", str(tmp_path / "version.info"))
    for path in (tmp_path / "mpirun", program):
        path.write_text(text, encoding="utf-8")
    hosts.write_text("node1:2\n", encoding="utf-8")
    command = [sys.executable, str(tmp_path / "mpirun"), "-f", str(hosts), "-n", "2"]
    words = ["-p", "2", "-b", "1K", "-e", "1K", "-n", "1", "-w", "0"]
    environment = {"HCCL_TEST_USE_DEVS": "6,7", "PATH": "/bin"}

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=20, check=False)

    told = run(*command, str(program), *words)
    assert (told.returncode, told.stderr) == (0, "")
    assert "success" in told.stdout
    alone = run(sys.executable, str(program), "-b", "1K", "-e", "1K")
    assert "success" in alone.stdout
    with served.update("node1") as node:  # rank 0 is on NPU7: the variables came through
        node["npu_tools"]["failing_ranks"] = ["NPU7"]
    assert "local rank_id 0, check result failed" in run(*command, str(program), *words).stdout
    assert "execvp error" in run(*command, str(tmp_path / "bin" / "alltoall_test")).stderr
    assert threading.active_count() < 50


def test_all_programs_are_in_the_toolkit(tmp_path: Path) -> None:
    [toolkit] = [found for found in payload.of_release(releases.FIRST, "x86_64") if found.id == "cann_toolkit"]
    toolkit.fill(tmp_path)
    programs = {path.name for path in (tmp_path / "files/toolkit/tools/hccl_test/bin").iterdir()}
    assert programs == {f"{name}_test" for name in collective.OPERATIONS}
    assert len(programs) == 11
    assert (tmp_path / "root/usr/local/bin/mpirun").is_symlink()


# --- files of a node -------------------------------------------------------------------------------------------------


def test_paths_of_a_node_never_lead_out_of_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr" / "local").mkdir(parents=True)
    (root / "usr" / "local" / "tool").write_text("x", encoding="utf-8")
    (root / "bin").symlink_to("/usr/local")
    (root / "up").symlink_to("../../..")
    (root / "loop").symlink_to("loop")
    assert disk.inside(root, "/bin/tool") == root / "usr" / "local" / "tool"
    assert disk.inside(root, "/usr/../bin/./tool") == root / "usr" / "local" / "tool"
    assert disk.inside(root, "/up/etc") == root / "etc"
    assert disk.inside(root, "/../../etc/shadow") == root / "etc" / "shadow"
    for path in ("/loop", "etc/passwd"):
        with pytest.raises(LabError):
            disk.inside(root, path)
