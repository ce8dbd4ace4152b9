"""The PDF as other programs read it: fonts embedded, stamp and page number on every page, Chinese text found again."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader
from report_helpers import RUN_ID, TENDER_BANDWIDTH, TENDER_HARDWARE, make_site, pdf_pages, words_off_the_page

from controller.report import fonts, pdf, render_all
from controller.report.html import CHAPTERS
from controller.report.load import load
from controller.report.model import build

SIMULATED = "模拟数据 · 非现场实测 / SIMULATED - not measured on hardware"
PARTLY = "含模拟数据 · 部分非现场实测"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = make_site(tmp_path_factory.mktemp("pdf"))
    return render_all(site.write(), contract=site.contract)["pdf"]


def plain(text: str) -> str:
    """Without white space: lines break where the page ends, not where the sentence does."""
    return re.sub(r"\s+", "", text)


def test_the_chinese_font_is_embedded(report: Path) -> None:
    listed = subprocess.run(["pdffonts", str(report)], capture_output=True, text=True, check=True, timeout=60).stdout
    rows = [line.split() for line in listed.splitlines()[2:]]
    assert rows
    expected = fonts.chinese_families()[0].replace(" ", "-")
    assert any(expected in row[0] for row in rows)
    # emb, sub and uni of each font: nothing depends on what the reader's machine has, and text can be searched.
    assert [row[-5:-2] for row in rows] == [["yes", "yes", "yes"]] * len(rows)


def test_each_page_carries_stamp_run_and_number(report: Path) -> None:
    pages = pdf_pages(report.read_bytes())
    assert len(pages) >= 10
    for number, text in enumerate(pages, start=1):
        assert plain(SIMULATED) in text, f"page {number}"
        assert RUN_ID in text, f"page {number}"
        assert plain(f"第 {number} / {len(pages)} 页") in text, f"page {number}"


def test_the_contract_can_be_found_in_it(report: Path) -> None:
    text = "".join(pdf_pages(report.read_bytes()))
    for sentence in (TENDER_HARDWARE, TENDER_BANDWIDTH, "断电后重新安装或更换NPU3模组，重新检查。", "甲方（采购人）"):
        assert plain(sentence) in text
    assert text.count("MEMORY00310P32") == 1


def test_another_reader_agrees(report: Path) -> None:
    reader = PdfReader(report)
    for page in reader.pages:
        assert "SIMULATED-notmeasuredonhardware" in plain(page.extract_text())
    titles = [item.title for item in reader.outline if not isinstance(item, list)]
    assert titles[0].startswith("1") and len(titles) == len(CHAPTERS)
    assert reader.metadata is not None and RUN_ID in (reader.metadata.title or "")
    assert {(round(float(page.mediabox.width)), round(float(page.mediabox.height))) for page in reader.pages} == {
        (595, 842),
        (842, 595),
    }
    # A report carries nothing that acts.
    assert "/OpenAction" not in reader.trailer["/Root"] and "/AA" not in reader.trailer["/Root"]


def test_nothing_runs_off_the_page(report: Path) -> None:
    assert words_off_the_page(report.read_bytes()) == []


@pytest.mark.parametrize(
    ("language", "provenance", "stamp"),
    [("en", "hardware", "现场实测 / Measured on site"), ("en", "mixed", PARTLY), ("zh", "mixed", PARTLY)],
)
def test_other_stamps(tmp_path: Path, language: str, provenance: str, stamp: str) -> None:
    site = make_site(tmp_path, nodes=1, provenance="hardware")
    if provenance == "mixed":
        site.verdicts[0]["provenance"] = "simulated"
    content = pdf.render(build(load(site.write(), site.contract), language))
    pages = pdf_pages(content)
    assert pages and all(plain(stamp) in page for page in pages)
    if provenance == "hardware":
        assert not any("SIMULATED-not" in page for page in pages)


@pytest.fixture
def no_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A PATH on which fc-list knows no Chinese font."""
    program = tmp_path / "bin" / "fc-list"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin:/bin")
    fonts.chinese_families.cache_clear()
    yield program
    fonts.chinese_families.cache_clear()


def test_no_chinese_font_is_an_error_that_names_the_package(no_fonts: Path, tmp_path: Path) -> None:
    site = make_site(tmp_path, nodes=1)
    with pytest.raises(fonts.MissingFontError, match=r"fonts-noto-cjk.*google-noto-sans-cjk-ttc-fonts"):
        render_all(site.write(), contract=site.contract)
    assert (site.folder / "report.docx").is_file() and not (site.folder / "report.pdf").exists()


def test_no_fontconfig_is_an_error_that_names_the_package(no_fonts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(no_fonts.parent / "empty"))
    with pytest.raises(fonts.MissingFontError, match="install fontconfig"):
        fonts.chinese_families()


def test_the_preferred_font_leads(no_fonts: Path) -> None:
    no_fonts.write_text("#!/bin/sh\nprintf 'AR PL UMing CN\\nSource Han Sans SC,思源黑体\\nEvil\";x\\n'\n")
    assert fonts.chinese_families()[0] == "Source Han Sans SC"
    assert fonts.stack().startswith('"Source Han Sans SC", "Noto Sans CJK SC"')


def test_three_nodes_take_seconds(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    folder = site.write()
    begun = time.process_time()  # of this process: neighbours on a shared machine do not count
    render_all(folder, contract=site.contract)
    assert time.process_time() - begun < 8


def test_a_hundred_nodes_take_less_than_a_minute(tmp_path: Path) -> None:
    site = make_site(tmp_path, nodes=100)
    folder = site.write()
    begun = time.process_time()
    paths = render_all(folder, contract=site.contract)
    assert time.process_time() - begun < 60
    pages = pdf_pages(paths["pdf"].read_bytes())
    assert all(plain(SIMULATED) in page for page in pages)
    assert "MEMORY10010P32" in "".join(pages)  # the last serial number of the last node
