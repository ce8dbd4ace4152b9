"""The report's files: HTML and Word for people, CTRF and JUnit for machines; complete, self-contained, well-formed."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from docx import Document
from docx.oxml.ns import qn
from lxml import etree
from lxml import html as lxml_html
from report_helpers import CHECKS, RUN_ID, TENDER_BANDWIDTH, Site, make_site

from controller.redact import Redactor
from controller.report import ReportError, machine, pdf, render_all, word
from controller.report import html as page
from controller.report.figures import FigureError, read_svg
from controller.report.fonts import MissingFontError
from controller.report.load import load
from controller.report.model import build

SIMULATED = "模拟数据 · 非现场实测 / SIMULATED - not measured on hardware"
# What https://ctrf.io requires of a document, as far as this project writes it.
CTRF: dict[str, Any] = {
    "type": "object",
    "required": ["reportFormat", "specVersion", "results"],
    "additionalProperties": False,
    "properties": {
        "reportFormat": {"const": "CTRF"},
        "specVersion": {"pattern": r"^\d+\.\d+\.\d+$"},
        "reportId": {"pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
        "generatedBy": {"type": "string"},
        "results": {
            "type": "object",
            "required": ["tool", "summary", "tests"],
            "additionalProperties": False,
            "properties": {
                "tool": {"required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
                "summary": {
                    "required": ["tests", "passed", "failed", "skipped", "pending", "other", "start", "stop"],
                    "additionalProperties": {"type": "integer"},
                },
                "tests": {
                    "items": {
                        "required": ["name", "status", "duration"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string", "minLength": 1},
                            "status": {"enum": ["passed", "failed", "skipped", "pending", "other"]},
                            "duration": {"type": "integer"},
                            "rawStatus": {"type": "string"},
                            "suite": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                            "message": {"type": "string"},
                            "type": {"type": "string"},
                            "tags": {"type": "array", "items": {"type": "string"}},
                            "extra": {"type": "object"},
                        },
                    }
                },
                "environment": {
                    "additionalProperties": False,
                    "properties": {
                        "reportName": {"type": "string"},
                        "appName": {"type": "string"},
                        "testEnvironment": {"type": "string"},
                    },
                },
            },
        },
    },
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def html_of(site: Site, language: str = "zh") -> str:
    return page.screen_page(build(load(site.write(), site.contract), language))


def word_parts(content: bytes) -> dict[str, etree._Element]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: etree.fromstring(archive.read(name)) for name in archive.namelist() if name.endswith(".xml")}


def words_of(element: etree._Element) -> str:
    return "".join(element.itertext())


def test_all_forms_are_written_for_their_owner_only(site: Site) -> None:
    folder = site.write()
    paths = render_all(folder, contract=site.contract)
    assert {form: path.name for form, path in paths.items()} == {
        "html": "report.html",
        "docx": "report.docx",
        "pdf": "report.pdf",
        "ctrf": "ctrf.json",
        "junit": "junit.xml",
    }
    for path in paths.values():
        assert path.parent == folder and path.stat().st_size > 500
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not [path for path in folder.iterdir() if path.name.startswith(".new-")]


def test_no_folder_and_no_language(site: Site, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no run folder"):
        render_all(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no report language"):
        render_all(site.write(), "fr")


def test_without_a_chinese_font_everything_but_the_pdf_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site.write()
    (folder / "report.pdf").write_bytes(b"of an earlier rendering")

    def no_font(_: object) -> bytes:
        raise MissingFontError("no font; install fonts-noto-cjk")

    monkeypatch.setattr(pdf, "render", no_font)
    with pytest.raises(ReportError, match="fonts-noto-cjk"):
        render_all(folder, contract=site.contract)
    assert not (folder / "report.pdf").exists()
    assert (folder / "report.html").exists() and (folder / "report.docx").exists() and (folder / "junit.xml").exists()


def test_a_secret_gets_into_no_form(site: Site) -> None:
    site.set(
        "hardware.npu_count", "node2", reason="login with hunter2secret! failed", remedy="try hunter2secret! again"
    )
    folder = site.write()
    ledger = site.ledger()
    ledger["devices"][0]["asset_tag"] = "hunter2secret!"
    site.save("../ledger.json", ledger)
    (folder / "figures" / "rack-S.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><text>hunter2secret!</text></svg>'
    )
    paths = render_all(folder, contract=site.contract, redactor=Redactor(["hunter2secret!"]))
    for form in ("html", "ctrf", "junit"):
        text = paths[form].read_text("utf-8")
        assert "hunter2secret!" not in text and "[redacted]" in text, form
    assert all("hunter2secret!" not in words_of(part) for part in word_parts(paths["docx"].read_bytes()).values())


# --- HTML


def test_the_page_is_self_contained(site: Site) -> None:
    text = html_of(site)
    tree = lxml_html.document_fromstring(text)
    assert not tree.xpath("//script | //link | //img | //iframe | //object | //base | //*[@src]")
    assert set(tree.xpath("//@href")) == {f"#{anchor}" for anchor, _, _ in page.CHAPTERS}
    assert set(tree.xpath("//section/@id")) == {anchor for anchor, _, _ in page.CHAPTERS}
    assert not re.search(r"url\(|@import|\bon\w+=", text)
    assert "default-src 'none'" in tree.xpath("//meta[@http-equiv]/@content")[0]


def test_the_banner_stands_at_the_top_and_stays_there(site: Site) -> None:
    text = html_of(site)
    tree = lxml_html.document_fromstring(text)
    first = tree.body[0]
    assert first.get("class") == "banner alarm" and first.text_content().startswith(SIMULATED)
    assert re.search(r"\.banner \{ position: sticky; top: 0;", text)
    # Printed by a browser, each page repeats the fixed watermark.
    assert tree.xpath("//div[@class='watermark alarm']")[0].text_content() == SIMULATED
    assert "position: fixed" in text


def test_hardware_has_a_neutral_stamp(tmp_path: Path) -> None:
    text = html_of(make_site(tmp_path, provenance="hardware"))
    assert 'class="banner neutral">现场实测' in text and "模拟数据" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_chapter_is_empty_and_no_verdict_depends_on_colour(site: Site, language: str) -> None:
    tree = lxml_html.document_fromstring(html_of(site, language))
    for section in tree.xpath("//section"):
        assert len(section.text_content()) > 60, section.get("id")
    failed = tree.xpath("//section[@id='detail']//td[contains(@style, 'fbe3e3')]")
    assert failed and all(re.match(r"× (不符合|fail) ", cell.text_content()) for cell in failed)
    passed = tree.xpath("//section[@id='detail']//tbody//td[.//span and not(@style)]")
    assert passed and all(cell.text_content().startswith("✓ ") for cell in passed)
    bars = tree.xpath("//*[local-name()='svg'][@class='bar']")
    assert len(bars) == 2 and ("不符合" if language == "zh" else "fail") in bars[0].get("aria-label")


def test_a_missing_run_is_a_report_that_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "site" / "run"
    folder.mkdir(parents=True)
    paths = render_all(folder, "en", contract=tmp_path / "none.yml")
    text = lxml_html.document_fromstring(paths["html"].read_text("utf-8")).text_content()
    for sentence in ("run.json is missing", "verdicts.json is missing", "no contract data", "PROVENANCE UNKNOWN"):
        assert sentence in text
    assert "Not ready for acceptance" in text


@pytest.mark.parametrize(
    "content", ["{", "[]", "null", '"text"', "[1, [2]]", '{"verdicts": {"a": 1}}', "\x00", "[" * 5000]
)
def test_half_written_files_are_told_and_survived(site: Site, content: str) -> None:
    folder = site.write()
    for name in ("run.json", "verdicts.json", "survey.json", "cabling.json", "../ledger.json"):
        (folder / name).write_text(content)
    (folder / "observations" / "bmc-node1-bmc_info.json").write_text(content)
    (folder / "figures" / "rack-R01.svg").write_text(content)
    site.contract.write_text(content)
    report = build(load(folder, site.contract), "en")
    assert report.problems and report.state == "open"
    page.screen_page(report)
    word_parts(word.render(report))
    etree.fromstring(machine.junit(load(folder, site.contract), "en").encode())


# --- SVG


def svg(body: str, attributes: str = 'viewBox="0 0 10 20"') -> str:
    source = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>{body}</svg>'
    )
    return read_svg("r.svg", source.encode(), "f1-").svg


def test_only_the_drawing_passes() -> None:
    text = svg(
        '<script>alert(1)</script><rect onload="x()" width="1" style="fill:red;background:url(http://e.vil)"/>'
        '<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject><image href="http://e.vil/a.png"/>'
        '<a href="javascript:x()"><text>a</text></a><use xlink:href="http://e.vil#a"/>'
        '<text fill="url(http://e.vil)">t</text>'
        "<style>@import url(http://e.vil); body{display:none} .a{fill:url(#g)} .b{fill:url(http://e.vil)}</style>"
        '<linearGradient id="g"/><use href="#g"/><animate attributeName="x"/>'
    )
    assert not re.search(r"e\.vil|script|onload|foreignObject|image|<a |import|animate", text)
    assert "#f1-root body {display:none}" in text  # a rule cannot leave its drawing
    assert "#f1-root .a {fill:url(#f1-g)}" in text and 'href="#f1-g"' in text and 'id="f1-g"' in text
    assert 'style="fill:red"' in text


def test_a_style_element_cannot_be_left_early() -> None:
    text = svg("<style><![CDATA[ a{fill:red} </style><script>x()</script> ]]></style><text>ok</text>")
    assert "<script" not in text and "</style><" not in text.replace("</style><text", "")


def test_drawings_that_are_none() -> None:
    bomb = b'<!DOCTYPE s [<!ENTITY a "aaaa">]><svg xmlns="http://www.w3.org/2000/svg"><text>&a;</text></svg>'
    assert "aaaa" not in read_svg("bomb", bomb, "f-").svg
    for content in (b"", b"<svg/>", b"<html/>", b"\xff\xfe", b"<svg xmlns='http://www.w3.org/2000/svg'>"):
        with pytest.raises(FigureError):
            read_svg("x", content, "f-")


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="200" height="100"', (200, 100)),
        ('viewBox="0 0 30 60" width="10mm"', (37.795, 75.59)),
        ('viewBox="0 0 30 60"', (30, 60)),
        ('viewBox="0 0 30 60" width="100%"', (30, 60)),
        ('viewBox="a b" height="nan"', (400, 400)),
        ('width="1e9" height="0"', (20000, 400)),
    ],
)
def test_sizes(attributes: str, size: tuple[float, float]) -> None:
    source = f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}/>'
    figure = read_svg("r.svg", source.encode(), "f-")
    assert (figure.width, figure.height) == pytest.approx(size, rel=1e-3)


# --- Word


def test_the_word_file_has_stamp_run_and_page_numbers_on_every_page(site: Site) -> None:
    document = Document(io.BytesIO(word.render(build(load(site.write(), site.contract), "zh"))))
    assert len(document.sections) >= 8
    for section in document.sections:  # each inherits the first one's, so no page is without
        assert section.different_first_page_header_footer is False
        assert SIMULATED in words_of(section.header._element)
        footer = words_of(section.footer._element)
        assert RUN_ID in footer and " PAGE " in footer and " NUMPAGES " in footer
    assert {section.orientation for section in document.sections} == {0, 1}
    colours = {run.font.color.rgb for run in document.sections[0].header.paragraphs[0].runs}
    assert any(str(colour) == "C00D12" for colour in colours)


def test_the_word_file_holds_the_contract_and_chinese_fonts(site: Site) -> None:
    content = word.render(build(load(site.write(), site.contract), "zh"))
    document = Document(io.BytesIO(content))
    text = "\n".join(cell.text for table in document.tables for row in table.rows for cell in row.cells)
    for sentence in (
        TENDER_BANDWIDTH,
        "≥ 190 GB/s",
        "× 不符合",
        "断电后重新安装或更换NPU3模组",
        "甲方（采购人）",
        "监理方",
    ):
        assert sentence in text
    styles = word_parts(content)["word/styles.xml"]
    fonts = [element.get(qn("w:eastAsia")) for element in styles.iter(qn("w:rFonts"))]
    assert "宋体" in fonts and "黑体" in fonts
    assert [element.get(qn("w:eastAsia")) for element in styles.iter(qn("w:lang"))] == ["zh-CN"]
    heads = [table for table in document.tables if table._tbl.findall(f".//{qn('w:tblHeader')}")]
    assert len(heads) >= 8
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert [name for name in archive.namelist() if name.endswith(".png")]


def test_word_tables_fit_their_page(site: Site) -> None:
    body = word_parts(word.render(build(load(site.write(), site.contract), "zh")))["word/document.xml"]
    widths = [int(element.get(qn("w:w"))) for element in body.iter(qn("w:tblW"))]
    assert widths and max(widths) <= 267 * 57
    for table in body.iter(qn("w:tbl")):
        columns = len(table.findall(f"{qn('w:tblGrid')}/{qn('w:gridCol')}"))
        assert {len(row.findall(qn("w:tc"))) for row in table.findall(qn("w:tr"))} == {columns}


# --- machines


def test_ctrf_says_what_the_verdicts_say(site: Site) -> None:
    document = json.loads(machine.ctrf(load(site.write(), site.contract), "en"))
    jsonschema.validate(document, CTRF)
    summary = document["results"]["summary"]
    assert summary["tests"] == len(site.verdicts) == 3 * len(CHECKS) + 3 + 4
    assert {key: summary[key] for key in ("passed", "failed", "other", "skipped", "pending")} == {
        "passed": 73,
        "failed": 2,
        "other": 2,
        "skipped": 3,
        "pending": 2,
    }
    assert summary["stop"] - summary["start"] == 216_000
    failed = next(test for test in document["results"]["tests"] if test["status"] == "failed")
    assert failed["name"] == "Number of NPUs [bmc node2]"
    assert "8 NPUs expected, 7 seen" in failed["message"] and "Reseat or replace" in failed["message"]
    assert failed["extra"]["evidence"] == [site.evidence["node2"]]
    assert failed["suite"] == ["4.1.1-3", "hardware.npu_count"]


def test_junit_says_what_the_verdicts_say(site: Site) -> None:
    root = etree.fromstring(machine.junit(load(site.write(), site.contract), "en").encode())
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("82", "2", "2", "5")
    outcomes = Counter(case[0].tag if len(case) else "passed" for case in root.iter("testcase"))
    assert outcomes == {"passed": 73, "failure": 2, "error": 2, "skipped": 5}
    for suite in root.iter("testsuite"):
        assert int(suite.get("tests") or "") == len(suite.findall("testcase"))
    failure = root.find(".//failure")
    assert failure is not None and failure.get("message") == "8 NPUs expected, 7 seen (NPU3 is missing)"
    assert root.find("testsuite/properties/property").get("value") == "simulated"
