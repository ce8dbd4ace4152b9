"""The chapter on the operating system: what differs leads, equal nodes are told once, nothing hidden reads as set."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html
from report_helpers import Site, make_site, pdf_pages, words_off_the_page

from controller.report import html as page
from controller.report import pdf, word
from controller.report.load import load
from controller.report.model import Report, build
from controller.report.numa import LARGEST_CPU, cpu_list, isolated_by, list_text

KEEP, APART = "0-1,16-17", "2-15,18-31"
RUNNING = f"managed_irq,domain,{APART}"
COMMAND_LINE = f"root=/dev/sda2 ro isolcpus={RUNNING} nohz_full={APART} iommu=pt"
SEVERITY = {"os.thp": "blocker", "os.isolation": "blocker", "time.offset": "blocker"}
CHECKS = (
    *("os.distribution", "os.thp", "os.isolation", "os.sysctl", "os.modules", "os.reboot_pending"),
    *("time.synchronised", "time.offset", "time.configuration"),
)


def judged(check: str, node: str, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    return {
        "clause": "4.1.3-1",
        "check": check,
        "title": {"zh": f"检查 {check}", "en": f"check {check}"},
        "subject": {"kind": "node", "id": node},
        "verdict": verdict,
        "expected": {"empty": True},
        "observed": [],
        "unit": None,
        "severity": SEVERITY.get(check, "major"),
        "reason": {"zh": "原因", "en": "reason"},
        "remedy": {"zh": f"重做 {check}。", "en": f"Do {check} again."},
        "evidence": [],
        "provenance": "simulated",
        **more,
    }


def setting(ident: str, wanted: str, runtime: str | None = "", boot: str | None = "", *differs: str) -> dict[str, Any]:
    """An empty value: as wanted."""
    return {
        "id": ident,
        "group": ident.partition(".")[0],
        "runtime": wanted if runtime == "" else runtime,
        "boot": wanted if boot == "" else boot,
        "wanted": wanted,
        "differs": list(differs),
    }


def system() -> dict[str, Any]:
    return {
        "distribution": {"id": "openEuler", "version": "24.03", "name": "openEuler 24.03 (LTS)"},
        "kernel": "6.6.0-28",
        "architecture": "aarch64",
        "command_line": COMMAND_LINE,
        "numa": [{"node": 0, "cpus": "0-15"}, {"node": 1, "cpus": "16-31"}],
        "housekeeping_cpus": KEEP,
        "isolated_cpus": APART,
        "settings": [
            setting("thp.enabled", "never"),
            setting("isolation.isolcpus", RUNNING),
            setting("isolation.irqs", "0 on isolated CPUs"),
            setting("sysctl.vm.swappiness", "10"),
            setting("modules.overlay", "loaded"),
            setting("boot_loader.iommu", "pt", None),  # a boot loader has no running value
        ],
        **{f"{group}_differences": [] for group in ("thp", "isolation", "sysctl", "modules", "boot_loader")},
        "reboot_required": False,
        "reboot_reasons": [],
    }


def clock(offset: float = 0.016) -> dict[str, Any]:
    return {
        "source": {"name": "10.0.0.1", "reachable": True, "stratum": 2, "kind": "server"},
        "offset_milliseconds": offset,
        "stratum": 3,
        "clock_against_controller_seconds": -0.4,
        "synchronised": True,
        "configuration_differences": [],
    }


def keep(site: Site, kind: str, subject: str, collector: str, facts: Any) -> None:
    document = {"subject": {"kind": kind, "id": subject}, "collector": collector, "provenance": "simulated"}
    name = f"{kind}-{subject.replace('/', '-')}-{collector}.json"
    (site.folder / "observations" / name).write_text(json.dumps({**document, "facts": facts}), encoding="utf-8")


def keep_node(site: Site, node: str, facts: dict[str, Any] | None = None, *notes: tuple[str, str]) -> None:
    told = [{"where": where, "problem": problem} for where, problem in notes]
    # About something that was seen: must not make it look unseen.
    told.append({"where": "os.isolation.irqs", "problem": "the kernel does not let these be moved: 75-90"})
    keep(site, "node", node, "kernel_tuning", {"os": facts or system(), "notes": told})
    keep(site, "node", node, "time_sync", {"time": clock()})
    affinity = {"NPU0": "16-31", "NPU1": "0-15"}
    keep(site, "node", node, "npu_info", {"npu_smi": {"topology": {"cpu_affinity": affinity}}})
    for number in (0, 1):
        keep(site, "npu", f"{node}/NPU{number + 1}", "npu_info", {"npu_id": number})


def judge(site: Site, check: str, node: str, verdict: str, **more: Any) -> None:
    site.verdicts = [each for each in site.verdicts if (each["check"], each["subject"]["id"]) != (check, node)]
    site.verdicts.append(judged(check, node, verdict, **more))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Three sound nodes."""
    made = make_site(tmp_path)
    for node in made.node_names():
        made.verdicts += [judged(check, node) for check in CHECKS]
        keep_node(made, node)
    return made


def report(site: Site, language: str = "en") -> Report:
    site.write()
    return build(load(site.folder, site.contract), language)


def sicken(site: Site) -> None:
    """node2: THP runs as it should not, isolation waits for a reboot; swappiness is another on node2 and node3."""
    facts = system()
    facts["settings"][0] = setting("thp.enabled", "never", "always", "", "runtime")
    facts["settings"][1] = setting("isolation.isolcpus", RUNNING, "not set", "", "runtime")
    facts["settings"][3] = setting("sysctl.vm.swappiness", "10", "60", "60", "runtime", "boot")
    facts["thp_differences"] = ["thp.enabled is always running, wanted never (tuned sets it)"]
    facts["isolation_differences"] = [f"isolation.isolcpus is not set running, wanted {RUNNING}", "irqbalance is back"]
    facts["sysctl_differences"] = ["vm.swappiness is 60 running, wanted 10", "vm.swappiness is 60 at boot, wanted 10"]
    facts["reboot_required"] = True
    keep_node(site, "node2", facts)
    other = system()
    other["settings"][3] = facts["settings"][3]
    other["sysctl_differences"] = facts["sysctl_differences"]
    keep_node(site, "node3", other)
    for check in ("os.thp", "os.isolation", "os.sysctl"):
        judge(site, check, "node2", "fail", observed=["x"])
    judge(site, "os.sysctl", "node3", "fail", observed=["x"])
    judge(site, "os.reboot_pending", "node2", "fail", observed=["isolcpus comes with a restart"])
    judge(site, "time.offset", "node2", "unknown", observed=None, reason={"zh": "未读到", "en": "no answer"})


def test_sound_nodes_are_counted_and_drawn_once(site: Site) -> None:
    chapter = report(site).system
    assert chapter.present and chapter.blocks == []
    assert (chapter.agree, chapter.unseen, chapter.total) == (18, 0, 18)
    assert chapter.badges == [
        (name, "pass") for name in ("Distro", "THP", "Isolation", "sysctl", "Modules", "No reboot due", "Time")
    ]
    assert [row.node for row in chapter.nodes] == ["node1", "node2", "node3"]
    row = chapter.nodes[0]
    assert row.cells == ("pass",) * 7 and row.verdict == "pass"
    assert (row.distribution, row.kernel, row.agree) == ("openEuler 24.03 (LTS)", "6.6.0-28 aarch64", "6 / 6")
    assert (row.reboot, row.synchronised, row.source) == ("no", "yes", "10.0.0.1 (server)")
    assert (row.stratum, row.offset, row.against) == ("3", "+0.016 ms", "-0.4 s")
    [(caption, figure)] = chapter.drawings
    assert caption.startswith("node1, node2, node3: ") and "×" not in figure.svg
    assert "H 0-1 | I 2-15" in figure.svg and "H 16-17 | I 18-31" in figure.svg
    assert chapter.command_lines == [("node1, node2, node3", COMMAND_LINE)]


def test_what_differs_stands_worst_first_with_its_three_values_and_remedy(site: Site) -> None:
    sicken(site)
    chapter = report(site).system
    assert [(block.title, block.verdict) for block in chapter.blocks] == [
        ("check os.thp", "fail"),
        ("check os.isolation", "fail"),
        ("check time.offset", "unknown"),
        ("check os.sysctl", "fail"),
        ("check os.reboot_pending", "fail"),
    ]
    thp, isolation, offset, sysctl, reboot = chapter.blocks
    [row] = thp.rows
    assert (row.nodes, row.setting, row.runtime, row.boot, row.wanted) == (
        *("node2", "thp.enabled", "always", "never", "never"),
    )
    assert (row.differs, row.reason, thp.lines) == (("runtime",), "tuned sets it", ())
    assert thp.remedies == ("Do os.thp again.",) and thp.severity == "blocker"
    assert isolation.rows[0].runtime == "not set" and isolation.lines == ("node2: irqbalance is back",)
    assert offset.rows == () and offset.lines == ("node2: no answer",)
    [row] = sysctl.rows
    assert (row.nodes, row.setting, row.differs, sysctl.nodes) == (
        *("node2, node3", "vm.swappiness", ("runtime", "boot"), "node2, node3"),
    )
    assert reboot.lines == ("node2: isolcpus comes with a restart",)
    assert [(row.node, row.agree, row.reboot) for row in chapter.nodes] == [
        *(("node2", "3 / 6", "yes"), ("node3", "5 / 6", "no"), ("node1", "6 / 6", "no")),
    ]
    assert (chapter.agree, chapter.total) == (14, 18)
    assert dict(chapter.badges)["Time"] == "unknown" and dict(chapter.badges)["Distro"] == "pass"


def test_a_value_that_could_not_be_seen_does_not_agree(site: Site) -> None:
    facts = system()
    facts["settings"][4] = setting("modules.overlay", "loaded", None)
    facts["modules_differences"] = None
    keep_node(site, "node1", facts, ("os.modules.overlay", "/proc/modules cannot be read"))
    judge(site, "os.modules", "node1", "unknown", observed=None)
    chapter = report(site).system
    assert (chapter.agree, chapter.unseen, chapter.total) == (17, 1, 18)
    [block] = chapter.blocks
    [row] = block.rows
    assert (row.runtime, row.boot, row.reason, row.differs) == ("—", "loaded", "/proc/modules cannot be read", ())
    assert block.lines == ()


def test_isolation_that_does_not_run_is_seen_in_the_drawing_and_leads(site: Site) -> None:
    sicken(site)
    (first, sick), (second, sound) = report(site).system.drawings
    assert first.startswith("node2: ") and second.startswith("node1, node3: ")
    assert "H 0-1 | × 2-15" in sick.svg and "to be isolated, but is not" in sick.svg
    assert "×" not in sound.svg


def test_cpus_isolated_against_the_plan_are_marked(site: Site) -> None:
    facts = system()
    facts["settings"][1] = setting("isolation.isolcpus", RUNNING, "0-15,18-31", "", "runtime")
    keep_node(site, "node1", facts)
    (caption, figure), _ = report(site).system.drawings
    assert caption.startswith("node1: ") and "I 2-15 | ! 0-1" in figure.svg


def test_npus_stand_beside_their_numa_node_under_the_names_of_the_site(site: Site) -> None:
    svg = report(site).system.drawings[0][1].svg
    tree = lxml_html.fromstring(svg)
    placed = {each.text: each.get("y") for each in tree.xpath("//*[local-name()='text']")}
    assert placed["NPU2"] == placed["NUMA 0"] and placed["NPU1"] == placed["NUMA 1"]
    for node in site.node_names():  # without its chips the tool's own names are all there is
        for number in (1, 2):
            (site.folder / "observations" / f"npu-{node}-NPU{number}-npu_info.json").unlink()
    svg = report(site).system.drawings[0][1].svg
    assert "NPU0" in svg and "NPU2" not in svg
    for node in site.node_names():
        keep(site, "node", node, "npu_info", {"npu_smi": {"topology": None}})
    [(caption, figure)] = report(site).system.drawings
    assert "not known" in caption and "NPU0" not in figure.svg


def test_an_npu_without_a_known_place_is_not_lost(site: Site) -> None:
    for node in site.node_names():
        affinity = {"NPU0": None, "NPU1": "0-15"}
        keep(site, "node", node, "npu_info", {"npu_smi": {"topology": {"cpu_affinity": affinity}}})
    svg = report(site).system.drawings[0][1].svg
    assert "NUMA ?" in svg and "NPU1" in svg


def test_of_many_nodes_only_those_that_are_not_sound_are_listed(tmp_path: Path) -> None:
    made = make_site(tmp_path, nodes=40)
    for node in made.node_names():
        made.verdicts += [judged(check, node) for check in CHECKS]
        keep_node(made, node)
    sicken(made)
    chapter = report(made).system
    assert [row.node for row in chapter.nodes] == ["node2", "node3"] and chapter.sound == 38
    assert chapter.drawings[1][0].startswith("node1, node3, node4") and "39 in all" in chapter.drawings[1][0]
    assert chapter.total == 240


def test_nodes_without_facts_keep_their_row_and_say_why(site: Site) -> None:
    for name in ("kernel_tuning", "time_sync"):
        (site.folder / "observations" / f"node-node3-{name}.json").unlink()
    for check in CHECKS:
        judge(site, check, "node3", "unknown", observed=None, reason={"zh": "不可达", "en": "node3 did not answer"})
    chapter = report(site).system
    assert chapter.nodes[0].node == "node3" and chapter.nodes[0].cells == ("unknown",) * 7
    assert chapter.nodes[0].distribution == chapter.nodes[0].offset == chapter.nodes[0].agree == "—"
    assert {line for block in chapter.blocks for line in block.lines} == {"node3: node3 did not answer"}


def test_a_run_without_the_stage_says_so(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    made.verdicts += [judged(check, "node1", "not_run") for check in CHECKS]
    assert not report(made).system.present
    assert "os.yml" in page.screen_page(report(made))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_and_word_files_carry_the_chapter(site: Site, language: str) -> None:
    sicken(site)
    made = report(site, language)
    tree = lxml_html.fromstring(page.screen_page(made))
    [section] = tree.xpath('//section[@id="system"]')
    text = section.text_content()
    for said in ("thp.enabled", "always", "tuned sets it", "vm.swappiness", "10.0.0.1", "+0.016 ms", COMMAND_LINE):
        assert said in text, said
    assert len(section.xpath(".//figure")) == 2
    marked = section.xpath(".//div[@class='finding']//td[.//span[@class='verdict']]")
    assert [cell.text_content() for cell in marked] == ["× always", "× not set", "× 60", "× 60"]
    ids = [node.get("id") for node in tree.xpath("//*[@id]")]
    assert len(ids) == len(set(ids))
    document = Document(io.BytesIO(word.render(made)))
    cells = {cell.text for table in document.tables for row in table.rows for cell in row.cells}
    assert {"thp.enabled", "× always", "tuned sets it", "+0.016 ms", "3 / 6"} <= cells
    assert any(COMMAND_LINE in paragraph.text for paragraph in document.paragraphs)


def test_chapters_are_numbered_alike_everywhere(site: Site) -> None:
    made = report(site)
    wanted = [f"{number}　{made.words(key)}" if number else made.words(key) for _, number, key in page.CHAPTERS]
    tree = lxml_html.fromstring(page.screen_page(made))
    assert tree.xpath("//section/h2/text()") == wanted
    assert [int(number) for _, number, _ in page.CHAPTERS if number] == list(range(1, 13))
    document = Document(io.BytesIO(word.render(made)))
    assert [each.text for each in document.paragraphs if each.style.name == "Heading 1"] == wanted
    order = [anchor for anchor, _, _ in page.CHAPTERS]
    assert order.index("findings") < order.index("system") < order.index("fabric") < order.index("interconnect")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_chapter_of_a_sound_site_is_one_page(site: Site, language: str) -> None:
    """With eight NUMA nodes and every check of the contract, which is more than the other tests have."""
    facts = system()
    facts["numa"] = [{"node": number, "cpus": f"{32 * number}-{32 * number + 31}"} for number in range(8)]
    facts["command_line"] = COMMAND_LINE + " rcu_nocbs=2-15,18-31" * 20
    more = ("scheduler", "limits", "hugepages", "governor", "iommu", "kernel_arguments", "swap", "security", "names")
    for node in site.node_names():
        keep_node(site, node, facts)
        site.verdicts += [judged(f"os.{name}", node) for name in (*more, "locale", "retention", "boot_loader")]
    made = report(site, language)
    content = pdf.render(made)
    assert words_off_the_page(content) == []
    found = [text for text in pdf_pages(content) if "NUMA7" in text or "isolcpus=" in text]
    assert len(found) == 1 and made.words("section.system").replace(" ", "") in found[0]


@pytest.mark.parametrize(
    "value", [None, 7, -1, 10**400, "x" * 9000, "<b>", [[[]]], {"a": 1}, [None, {"id": ["<b>"], "differs": 7}] * 40]
)
def test_facts_of_any_shape_are_taken(site: Site, value: Any) -> None:
    shapes: list[Any] = [value, {"os": value, "time": value, "npu_smi": value, "notes": value}]
    shapes.append({"os": dict.fromkeys(system(), value), "time": dict.fromkeys(clock(), value), "notes": [value]})
    shapes[-1]["npu_smi"] = {"topology": {"cpu_affinity": value}}
    for number, facts in enumerate(shapes):
        for collector in ("kernel_tuning", "time_sync", "npu_info"):
            keep(site, "node", f"node{number + 1}", collector, facts)
            keep(site, "npu", f"node{number + 1}/NPU1", "npu_info", {"npu_id": value})
        judge(site, "os.thp", f"node{number + 1}", "fail", observed=value, reason=value, title=value, remedy=value)
    made = report(site)
    assert "<b>" not in page.screen_page(made)
    assert len(word.render(made)) > 10000


@given(st.sets(st.integers(0, LARGEST_CPU)))
def test_cpu_lists_survive_being_written(cpus: set[int]) -> None:
    assert cpu_list(list_text(cpus)) == cpus
    assert isolated_by(f"managed_irq,domain,{list_text(cpus)}") == (cpus or frozenset())


@given(st.text(alphabet="0123456789-,: domain_irqnohz\u0663") | st.text())
def test_any_text_is_a_cpu_list_or_none(text: str) -> None:
    for found in (cpu_list(text), isolated_by(text)):
        assert found is None or all(0 <= cpu <= LARGEST_CPU for cpu in found)


@pytest.mark.parametrize(
    ("value", "cpus"),
    [
        ("not set", set()),
        ("4-5", {4, 5}),
        ("domain,4", {4}),
        ("nohz,managed_irq,4", set()),
        ("4-5:1/2", None),
        ("0-99999", None),
        ("5-4", None),
    ],
)
def test_what_isolcpus_isolates(value: str, cpus: set[int] | None) -> None:
    assert isolated_by(value) == cpus
