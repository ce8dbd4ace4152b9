"""The collectives with a make-believe mpirun: host files, commands, failing ranks, missing programs, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fabric_helpers import make_plan
from npuforge.fabric import collective
from npuforge.fabric.tool import Tool

HEAD = "data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:\n"
ROW = "67108864          | 2630.20        | 25.51474             | success\n"
HOSTS = [("node1", "192.0.2.1"), ("node2", "192.0.2.2"), ("node3", "192.0.2.3")]


class Bench:
    """A folder with mpirun and HCCL Test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name in collective.PROGRAMS.values():
            self.program(f"bin/{name}", "")
        self.program("set_env.sh", "export FROM_CANN=yes\n")

    def program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    def mpirun(self, output: str, rc: int = 0, version: str = "HYDRA build details:", seconds: float = 0) -> None:
        self.program(
            "mpirun",
            f'if [ "$1" = --version ]; then echo "{version}"; exit; fi\n'
            f'echo "$@" > {self.folder}/argv; cat "$2" > {self.folder}/hosts; env > {self.folder}/env\n'
            f"cat <<'END'\n{output}END\nsleep {seconds}; exit {rc}\n",
        )

    def run(self, **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        given: dict[str, Any] = {
            "hosts": HOSTS,
            "path": str(self.folder),
            "mpirun": str(self.folder / "mpirun"),
            "environment_script": str(self.folder / "set_env.sh"),
            "environment": {"HCCL_RDMA_TC": "132"},
        }
        plan = make_plan(3, 8)
        return collective.run(plan, collective.Options(**(given | options)), Tool("/bin/bash"))

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_all_ranks_of_mpich(bench: Bench) -> None:
    bench.mpirun(HEAD + ROW)
    facts, raw = bench.run()
    found = facts["all_reduce"]
    assert (found["ranks"], found["planned_ranks"], found["failed_ranks"]) == (24, 24, [])
    assert found["bus_gbytes_per_s"] == pytest.approx(25.5148 * 2 * 23 / 24, abs=0.001)
    assert facts["incast"]["failed_ranks"] == [] and facts["incast"]["pfc_acted"] is None
    assert [entry["name"] for entry in raw] == ["all_reduce.txt", "alltoall.txt"]
    assert bench.read("hosts") == "192.0.2.1:8\n192.0.2.2:8\n192.0.2.3:8\n"
    assert raw[0]["argv"][1] == "-f" and "-n 24 -genv HCCL_RDMA_TC 132" in " ".join(raw[0]["argv"])
    assert bench.read("argv").endswith("alltoall_test -p 8 -b 8192 -e 67108864 -f 2 -d fp32\n")
    assert "FROM_CANN=yes" in bench.read("env") and "HCCL_RDMA_TC=132" in bench.read("env")
    assert not Path(raw[0]["argv"][2]).exists()  # the host file is gone


def test_open_mpi_has_other_words(bench: Bench) -> None:
    bench.mpirun(HEAD + ROW, version="mpirun (Open MPI) 4.1.5")
    _, raw = bench.run(operations=["all_reduce"])
    assert "--hostfile" in raw[0]["argv"] and "-x HCCL_RDMA_TC " in " ".join(raw[0]["argv"])
    assert bench.read("hosts").splitlines()[0] == "192.0.2.1 slots=8"


@pytest.mark.parametrize(
    ("output", "rc", "said"),
    [
        (
            HEAD + ROW + "local rank_id 13, check result failed, 67108864 | 2630.20 | 25.51474 | failed\n",
            0,
            "rank 13 (node2 NPU6): check failed at 67108864 bytes",
        ),
        (HEAD + ROW.replace("success", "failed"), 0, "the root rank's check failed at 67108864 bytes"),
        (HEAD + ROW + "rank 3: HcclCommInitRootInfo failed\n", 7, "mpirun of all_reduce failed: exit code 7: rank 3"),
        ("nothing to see\n", 0, "all_reduce printed no result: exit code 0: nothing to see"),
        (HEAD + ROW + "rank_id: 0, rank_size: 16, HCCL_TEST_USE_DEVS: (null)\n", 0, "16 ranks ran, 24 were asked for"),
        (HEAD + ROW + "total err is 5\n", 0, "a rank: check failed: total err is 5"),
    ],
)
def test_every_failure_is_told(bench: Bench, output: str, rc: int, said: str) -> None:
    bench.mpirun(output, rc)
    found = bench.run(operations=["all_reduce"])[0]["all_reduce"]
    assert found["failed_ranks"] and found["failed_ranks"][0].startswith(said)
    if rc:
        assert found["ranks"] is None and found["bus_gbytes_per_s"] is None


def test_a_run_without_end_is_ended(bench: Bench) -> None:
    bench.mpirun(HEAD + ROW, seconds=30)
    found = bench.run(operations=["all_reduce"], seconds=0.4)[0]["all_reduce"]
    assert found["failed_ranks"] == ["all_reduce did not end within 0.4 s"] and found["ranks"] is None


def test_missing_programs_are_unknown_and_no_failure(bench: Bench, tmp_path: Path) -> None:
    facts, raw = bench.run(path=str(tmp_path / "nowhere"))
    assert raw == [] and facts["all_reduce"]["failed_ranks"] is None and facts["incast"]["failed_ranks"] is None
    assert "all_reduce_test) is not installed in" in facts["notes"][0]["problem"]
    facts, _ = bench.run(mpirun="mpirun-that-is-not-there")
    assert facts["all_reduce"]["failed_ranks"] is None and "cannot be run" in facts["notes"][0]["problem"]


def test_a_table_that_ends_early_has_no_bus_bandwidth(bench: Bench) -> None:
    bench.mpirun(HEAD + "33554432 | 1714.85 | 19.56698 | success\n")
    facts, _ = bench.run(operations=["all_reduce"])
    assert facts["all_reduce"]["bus_gbytes_per_s"] is None
    assert facts["notes"][0]["problem"] == "there is no row of 67108864 bytes"


def test_nodes_with_different_numbers_of_ports_are_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="ranks cannot be laid out"):
        bench.run(hosts=[*HOSTS, ("node9", "192.0.2.9")])
