"""``npu-smi`` about the simulated chips: links, error counters, processes and memory, as the source prints them."""

from __future__ import annotations

import re

import pytest

from lab.hardware import Document
from lab.npu import smi, smi_table
from tests.unit.lab_chips_helpers import chip, node, npu_smi

PROCESS = {"pid": 48213, "name": "python3", "memory_mib": 28672, "listed": True}


def ports(text: str, name: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.strip().startswith(f"{name} ")]
    return line.partition(": [")[2].rstrip("]").split()


def health(text: str) -> str:
    found = re.search(r"hccs health status +: (\w+)", text)
    assert found
    return found[1]


def cut(document: Document, own: str, peer: str) -> None:
    next(port for port in chip(document, own)["hccs"] if port["peer"] == peer)["ok"] = False


def test_links_of_a_healthy_chip() -> None:
    text = npu_smi(node(), "-t", "hccs", "-i", "7", "-c", "0")
    assert health(text) == "OK"
    assert ports(text, "hccs lane mode") == ["4"] * 7
    assert ports(text, "hccs link lane list") == ["1111"] * 7
    assert ports(text, "hccs link speed") == ["224"] * 7
    assert ports(text, "hccs retry count") == ports(text, "hccs error count") == ["0"] * 7
    assert text.splitlines()[-1].split(":")[1].strip() == "NA"
    # "\t%-30s : [" and "%-20u " for each port
    assert text.splitlines()[1] == "\thccs lane mode                 : [" + f"{4:<20} " * 7 + "]"


def test_a_link_that_is_down_shows_at_both_ends_and_in_the_topology() -> None:
    document = node()
    cut(document, "NPU3", "NPU5")
    for card, port in (("2", 3), ("4", 2)):
        text = npu_smi(document, "-t", "hccs", "-i", card, "-c", "0")
        assert health(text) == "NOK"
        assert ports(text, "hccs link speed") == ["0" if place == port else "224" for place in range(7)]
        assert ports(text, "hccs link lane list")[port] == "0000"
        assert text.splitlines()[-1].split(":")[1].strip() == str(port + 1)
    assert health(npu_smi(document, "-t", "hccs", "-i", "3", "-c", "0")) == "OK"
    rows = [line.split() for line in npu_smi(document, "-t", "topo").splitlines() if line.startswith("NPU")]
    words = {(row[0], f"NPU{place}"): word for row in rows for place, word in enumerate(row[1:9])}
    assert {ends for ends, word in words.items() if word == "SYS"} == {("NPU2", "NPU4"), ("NPU4", "NPU2")}
    assert {word for ends, word in words.items() if ends[0] == ends[1]} == {"X"}
    assert list(words.values()).count("HCCS") == 54


def test_traffic_of_idle_links() -> None:
    lines = npu_smi(node(), "-t", "hccs-bw", "-i", "0", "-c", "0", "-time", "100").splitlines()
    assert lines[0].split() == ["hccs", "link", "tx_bandwidth(GB/S)", "rx_bandwidth(GB/S)"]
    assert [line.split()[0] for line in lines[1:]] == [*"1234567", "total"]
    assert lines[1] == f"{1:<35} {0:<30.6f} {0:<30.6f}"


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["-t", "hccs"], "\nThis command must input card id and chip id."),
        (["-t", "hccs", "-i", "0"], "\nThis command must input card id and chip id."),
        (["-t", "hccs-bw", "-i", "0", "-c", "0"], "\nThis command must input profiling_time(1-1000, ms)."),
        (["-t", "hccs", "-i", "0", "-c", "1"], "This device does not support querying hccs."),
    ],
)
def test_what_links_are_asked_for(argv: list[str], complaint: str) -> None:
    text, rc = smi.info(node(), argv)
    assert text.startswith(complaint)
    assert rc == (smi.NOT_SUPPORTED if argv[-1] == "1" else smi.INVALID_PARAMETER)


@pytest.mark.parametrize("window", ["0", "1001", "x"])
def test_a_window_out_of_range(window: str) -> None:
    with pytest.raises(smi.Refused, match="Error parameter of -time"):
        smi.info(node(), ["-t", "hccs-bw", "-i", "0", "-c", "0", "-time", window])


def counters(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\t(.*\S) +: (\S+)$", text, re.MULTILINE))


def test_error_counters_follow_the_world() -> None:
    document = node()
    chip(document, "NPU3")["ecc"] |= {"double_bit": 2, "double_bit_total": 3, "single_bit": 5, "single_bit_total": 7}
    chip(document, "NPU3")["ecc"] |= {"single_bit_isolated_pages": 91, "double_bit_isolated_pages": 4}
    found = counters(npu_smi(document, "-t", "ecc", "-i", "2", "-c", "0"))
    assert found == {
        "DDR Single Bit Error Count": "0",
        "DDR Double Bit Error Count": "0",
        "HBM Single Bit Error Count": "5",
        "HBM Double Bit Error Count": "2",
        "HBM Single Bit Aggregate Total Err Cnt": "7",
        "HBM Double Bit Aggregate Total Err Cnt": "3",
        "HBM Single Bit Isolated Pages Count": "91",
        "HBM Double Bit Isolated Pages Count": "4",
    }
    assert set(counters(npu_smi(document, "-t", "ecc", "-i", "3", "-c", "0")).values()) == {"0"}
    document["npu_tools"]["version"] = "26.1.0"
    newer = counters(npu_smi(document, "-t", "ecc", "-i", "2", "-c", "0"))
    assert "HBM Double Bit Next-Isolated Pages Count" in newer
    assert not any(name.startswith("DDR") for name in newer)


@pytest.mark.parametrize("version", ["24.1.0.3", "25.7.rc1", "26.1.0"])
def test_a_process_is_in_the_table_and_in_the_memory(version: str) -> None:
    document = node()
    document["npu_tools"]["version"] = version
    chip(document, "NPU3")["processes"] = [PROCESS]
    text = npu_smi(document)
    assert len({len(line) for line in text.splitlines()}) == 1
    [row] = [line for line in text.splitlines() if "48213" in line]
    assert row.replace("|", " ").split() == ["2", "0", "48213", "python3", "28672"]
    heading = next(line for line in text.splitlines() if "Process id " in line)
    assert [at for at, sign in enumerate(row) if sign == "|"] == [at for at, sign in enumerate(heading) if sign == "|"]
    used = smi_table.idle_hbm_mib(chip(document, "NPU3")) + 28672
    assert re.search(rf" {used} */ 65536 ", text)
    assert text.count("No running processes found") == 7


def test_a_container_s_process_shows_in_the_memory_only() -> None:
    document = node()
    chip(document, "NPU3")["processes"] = [{**PROCESS, "listed": False}]
    text = npu_smi(document)
    assert text.count("No running processes found") == 8
    assert "48213" not in text
    assert "HBM Usage Rate(%)              : 48" in npu_smi(document, "-t", "usages", "-i", "2")
    assert npu_smi(document, "-t", "proc-mem", "-i", "2", "-c", "0") == "\tNo process in device.\n"


def test_processes_of_a_chip() -> None:
    document = node()
    chip(document, "NPU3")["processes"] = [PROCESS]
    line = "\tProcess id:48213   Process name:python3           Process memory(MB):28672\n"
    assert npu_smi(document, "-t", "proc-mem", "-i", "2", "-c", "0") == line
    whole = npu_smi(document, "-t", "proc-mem", "-i", "2")
    assert whole.startswith("\tNPU ID")
    assert line in whole
    assert whole.endswith("Chip ID                        : 0\n")
    assert "No process" in npu_smi(document, "-t", "proc-mem", "-i", "2", "-c", "1")


@pytest.mark.parametrize("word", ["Warning", "Alarm", "Critical"])
def test_every_health_is_shown_as_it_is(word: str) -> None:
    document = node()
    chip(document, "NPU3")["health"] = word
    assert f"Health Status                  : {word}\n" in npu_smi(document, "-t", "health", "-i", "2", "-c", "0")
    assert f"| 2     910B3               | {word:<13} |" in npu_smi(document)
