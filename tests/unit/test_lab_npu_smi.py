"""``npu-smi`` of the twin: the bytes of the captures, and values that follow from the world."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import physics
from lab.hardware import Document, Plan, build_site
from lab.npu import smi, smi_table
from lab.npu.tools import TOOLS
from lab.world import World

ROW = re.compile(r"^\| (\d+) +(\S+) +\| (\w+) +\| (\S+) +(\d+) +0 +/ 0 +\|$")
SECOND = re.compile(r"^\| 0 +\| (\S+) +\| 0 +0 +/ 0 +(\d+) */ (\d+) +\|$")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "world")
    made.create(*build_site(Plan(nodes=1)))
    return made


def call(world: World, *argv: str) -> tuple[str, int]:
    said: list[str] = []
    rc = smi.run(world, "node1", argv, said.append)
    return "".join(said), rc


def out(world: World, *argv: str) -> str:
    text, rc = call(world, *argv)
    assert rc == 0, text
    return text


def fields(text: str) -> dict[str, str]:
    pairs = (line.partition(" : ") for line in text.splitlines() if " : " in line)
    return {key.strip(): value for key, _, value in pairs}


def change(world: World, edit: Callable[[Document], None]) -> None:
    with world.update("node1") as node:
        edit(node)


def capture(shared: Path, start: str) -> str:
    [path] = (shared / "fixtures" / "ascend").glob(f"npu_smi_{start}*")
    return path.read_text(encoding="utf-8")


def pretend(world: World, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Give the NPUs the values that a captured table shows."""
    firsts = [match.groups() for line in text.splitlines() if (match := ROW.match(line))]
    seconds = [match.groups() for line in text.splitlines() if (match := SECOND.match(line))]
    assert len(firsts) == len(seconds) > 0
    shown = {int(first[0]): (first, second) for first, second in zip(firsts, seconds, strict=True)}
    version = re.search(r"Version: (\S+)", text)
    assert version

    def edit(node: Document) -> None:
        node["npu_tools"]["version"] = node["npu_driver"]["loaded"] = version[1]
        for index, npu in enumerate(node["npus"]):
            npu["present"] = index in shown
            if index in shown:
                first, second = shown[index]
                npu.update(model=f"Ascend {first[1]}", health=first[2], power_watts=float(first[3]))
                npu.update(temperature_celsius=int(first[4]), hbm_mib=int(second[2]))
                npu["pci"]["address"] = second[0].lower()

    change(world, edit)
    used = {index: int(second[1]) for index, (_, second) in shown.items()}
    monkeypatch.setattr(smi_table, "idle_hbm_mib", lambda npu: used[smi_table.number(npu)])


@pytest.mark.parametrize("start", ["info__910b2", "info__910b4"])
def test_table_is_that_of_the_captures(world: World, monkeypatch: pytest.MonkeyPatch, shared: Path, start: str) -> None:
    text = capture(shared, start)
    pretend(world, monkeypatch, text)
    assert out(world, "info") == text


def test_list_and_topology_are_those_of_the_captures(world: World, shared: Path) -> None:
    def no_tabs(text: str) -> list[str]:
        return [line.strip() for line in text.splitlines()]

    assert no_tabs(out(world, "info", "-l")) == [*no_tabs(capture(shared, "l__910b")), ""]
    ours, theirs = (no_tabs(text) for text in (out(world, "info", "-t", "topo"), capture(shared, "t_topo")))
    assert [re.sub(r"\d+-\d+$", "", line) for line in ours] == [re.sub(r"\d+-\d+$", "", line) for line in theirs]


@pytest.mark.parametrize(
    ("start", "argv"),
    [
        ("t_board__910b", ["board", "-i", "0"]),
        ("t_usages__910b1", ["usages", "-i", "0"]),
        ("t_memory__910b", ["memory", "-i", "0", "-c", "0"]),
        ("t_common__910A", ["common", "-i", "0"]),
        ("t_health", ["health", "-i", "0", "-c", "0"]),
    ],
)
def test_fields_are_those_of_the_captures(world: World, shared: Path, start: str, argv: list[str]) -> None:
    theirs = capture(shared, start)
    names = [line.partition(":")[0].strip() for line in theirs.splitlines() if re.match(r"\s*[A-Z].*:", line)]
    ours = [line.partition(" : ")[0].strip() for line in out(world, "info", "-t", *argv).splitlines() if " : " in line]
    assert ours[: len(names)] == names


def test_wide_table_of_version_26() -> None:
    lines = table_of("26.1.0").splitlines()
    assert {len(line) for line in lines} == {116}
    assert lines[1] == f"| npu-smi {'26.1.0':<35} Version: {'26.1.0':<59} |"
    assert (
        "| NPU     Chip              | Process id    | Process name       | Process memory(MB)    "
        "| Process id in container |"
    ) in lines


def test_each_generation_has_its_width() -> None:
    widths = {version: {len(line) for line in table_of(version).splitlines()} for version in ("24.1.0.3", "25.7.rc1")}
    assert widths == {"24.1.0.3": {98}, "25.7.rc1": {99}}


def table_of(version: str) -> str:
    node = build_site(Plan(nodes=1))[1][0]
    node["npu_tools"]["version"] = node["npu_driver"]["loaded"] = version
    return smi_table.table(node, node["npus"], version)


def test_numbers_may_abut_the_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smi_table, "idle_hbm_mib", lambda npu: 59718)
    assert "59718/ 65536" in table_of("24.1.0")


def test_a_missing_npu_leaves_a_gap_and_the_others_keep_their_ids(world: World) -> None:
    change(world, lambda node: node["npus"][2].update(present=False))
    table = out(world, "info")
    assert [int(match[1]) for line in table.splitlines() if (match := ROW.match(line))] == [0, 1, 3, 4, 5, 6, 7]
    assert fields(out(world, "info", "-l"))["Total Count"] == "7"
    mapping = [line.split() for line in out(world, "info", "-m").splitlines()[1:]]
    assert [(row[0], row[2]) for row in mapping if row[3] == "Ascend"] == [
        ("0", "0"),
        ("1", "1"),
        ("3", "2"),
        ("4", "3"),
        ("5", "4"),
        ("6", "5"),
        ("7", "6"),
    ]
    assert [row[2:] for row in mapping if row[1] == "1"] == [["-", "Mcu"]] * 7
    text, rc = call(world, "info", "-t", "health", "-i", "2")
    assert rc != 0
    assert text.startswith("Error parameter of -i\n")


def test_no_npu_at_all(world: World) -> None:
    with world.update("node1") as node:
        for npu in node["npus"]:
            npu["present"] = False
    assert out(world, "info", "-l") == out(world, "info", "-m") == "There is no NPU card on this server.\n"


def test_health_and_errors_follow_from_the_world(world: World) -> None:
    change(world, lambda node: node["npus"][4].update(health="Warning", error_code="0x80E01801"))
    health = fields(out(world, "info", "-t", "health", "-i", "4"))
    assert (health["Health Status"], health["Error Code"]) == ("Warning", "80E01801")
    assert "ECC" in health["Error Information"]
    assert fields(out(world, "info", "-t", "health", "-i", "3"))["Error Code"] == "NA"
    counts = [fields(out(world, "info", "-t", "ecc", "-i", str(i)))["HBM Single Bit Error Count"] for i in (3, 4)]
    assert counts[0] == "0"
    assert int(counts[1]) > 0
    assert [m[3] for line in out(world, "info").splitlines() if (m := ROW.match(line))][3:5] == ["OK", "Warning"]


def test_the_bmc_and_the_tool_show_the_same(world: World) -> None:
    change(world, lambda node: node["npus"][6].update(temperature_celsius=71, power_watts=311.5))
    seen = physics.view(world.read("node1")).npus[6]
    common = fields(out(world, "info", "-t", "common", "-i", "6", "-c", "0"))
    assert (int(common["Temperature(C)"]), float(common["NPU Real-time Power(W)"])) == (
        seen.readings["celsius"],
        seen.readings["watts"],
    )
    assert fields(out(world, "info", "-t", "temp", "-i", "6", "-c", "0"))["NPU Temperature (C)"] == "71"
    assert fields(out(world, "info", "-t", "power", "-i", "6"))["NPU Real-time Power(W)"] == "311.5"
    board = fields(out(world, "info", "-t", "board", "-i", "6"))
    assert (board["Serial Number"], board["PCI Device ID"]) == (seen.truth["serial"], "0xD802")


def test_idle_memory_is_stable_and_differs_from_npu_to_npu(world: World) -> None:
    used = [smi_table.idle_hbm_mib(npu) for npu in world.read("node1")["npus"]]
    assert all(3347 <= each <= 3407 for each in used)
    assert len(set(used)) > 4
    assert out(world, "info") == out(world, "info")


def test_the_controller_is_a_chip_of_its_own(world: World) -> None:
    assert fields(out(world, "info", "-t", "board", "-i", "0", "-c", "1"))["Chip Name"] == "Mcu"
    assert list(fields(out(world, "info", "-t", "common", "-i", "0", "-c", "1"))) == ["Chip Name", "Temperature(C)"]
    assert out(world, "info", "-t", "common", "-i", "0").count("Temperature(C)") == 2


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["info", "-t", "cpu", "-i", "0"], "Error parameter of -t"),
        (["info", "-t", "board"], "Error parameter of -i"),
        (["info", "-t", "board", "-i", "x"], "Error parameter of -i"),
        (["info", "-t", "board", "-i", "8"], "Error parameter of -i"),
        (["info", "-t", "board", "-i", "0", "-c", "2"], "Error parameter of -c"),
        (["info", "-t"], "Error parameter of -t"),
        (["info", "-l", "-m"], "Error parameter of -m"),
        (["info", "-i", "0"], "Error parameter of -t"),
        (["infos"], "Command or option is not found."),
        (["info", "-t", "product", "-i", "0"], "This device does not support querying product."),
    ],
)
def test_what_it_does_not_understand(world: World, argv: list[str], complaint: str) -> None:
    text, rc = call(world, *argv)
    assert text.startswith(complaint)
    assert rc in (211, 215, 217)


def test_version_and_help(world: World) -> None:
    assert out(world, "-v") == "npu-smi version: 24.1.0.3\n"
    assert "Usage: npu-smi info" in out(world, "info", "-h")
    assert call(world)[1] != 0


def test_a_layout_that_nobody_knows(world: World) -> None:
    known = out(world, "info", "-t", "usages", "-i", "0")
    change(world, lambda node: node["npu_tools"].update(layout="future"))
    text = out(world, "info", "-t", "usages", "-i", "0")
    assert not set(known.splitlines()) & set(text.splitlines())
    assert " : " not in text
    assert "|" not in out(world, "info")


def test_nodes_can_call_it() -> None:
    assert "npu-smi" in TOOLS


@given(st.lists(st.sampled_from(["info", "-t", "-i", "-c", "-l", "-m", "board", "ecc", "0", "9", "-1", "", "²"])))
def test_any_words_are_answered(argv: list[str]) -> None:
    site, nodes, _ = build_site(Plan(nodes=1))

    class One:
        def read(self, _: str) -> Document:
            return nodes[0]

    said: list[str] = []
    rc = smi.run(One(), "node1", argv, said.append)  # type: ignore[arg-type]  # only read() is asked
    assert 0 <= rc <= 255
    assert said[0]
    assert site["name"]
