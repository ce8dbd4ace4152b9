"""The sheets as a reader gets them: codes decoded by another program, text found by another program, all inside."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from controller import labels, survey
from controller.labels.render import CJK_EM, FLAG, LATIN_EM, PLATE, PT_MM, fit, width_em

ROOT = Path(__file__).resolve().parents[2]
DPI = 300
MM = DPI / 25.4
LONG = "a-device-with-a-name-that-nobody-should-give-it-01"


@pytest.fixture(scope="module")
def twin() -> labels.Cabling:
    room = survey.load(ROOT / "inventory" / "twin" / "survey.yml")
    return labels.load(ROOT / "inventory" / "twin" / "cabling.yml", room)


@pytest.fixture(scope="module")
def sheets(twin: labels.Cabling, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, labels.Printed]:
    path = tmp_path_factory.mktemp("labels") / "labels.pdf"
    return path, labels.render_pdf(twin, path, "zh")


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, timeout=120).stdout.decode()


def decoded(image: Image.Image, path: Path) -> list[str]:
    image.save(path)
    found = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "--nodbus", "-Sdisable", "-Sqrcode.enable", str(path)],
        check=False, capture_output=True, timeout=60,
    )  # fmt: skip
    return found.stdout.decode().split()


def words(path: Path) -> list[tuple[int, float, float, float, float, str]]:
    """``(page, left, top, right, bottom in mm, text)`` of every word, as poppler sees it."""
    found = []
    page = -1
    for line in run("pdftotext", "-bbox", str(path), "-").splitlines():
        if "<page " in line:
            page += 1
        match = re.search(r'<word xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)">(.*?)</word>', line)
        if match:
            left, top, right, bottom = (float(value) * PT_MM for value in match.groups()[:4])
            found.append((page, left, top, right, bottom, match.group(5)))
    return found


def test_every_code_decodes_to_its_cables_id(
    twin: labels.Cabling, sheets: tuple[Path, labels.Printed], tmp_path: Path
) -> None:
    path, printed = sheets
    run("pdftoppm", "-r", str(DPI), "-gray", "-png", str(path), str(tmp_path / "page"))
    pages = [Image.open(page) for page in sorted(tmp_path.glob("page-*.png"))]
    assert len(pages) == printed.pages
    flags = [label for label in printed.labels if not label.startswith("P-")]
    plates = [label for label in printed.labels if label.startswith("P-")]
    first_plate_page = -(-len(flags) // (FLAG.columns * FLAG.rows))
    # Each fifth label, on every sheet and in every column and row over the run of them: a reader a label at a time.
    checked = 0
    for stock, names, first in ((FLAG, flags, 0), (PLATE, plates, first_plate_page)):
        for number in range(0, len(names), 5):
            at = number % (stock.columns * stock.rows)
            x, y = stock.left + at % stock.columns * stock.width, stock.top + at // stock.columns * stock.height
            page = pages[first + number // (stock.columns * stock.rows)]
            box = tuple(round(value * MM) for value in (x, y, x + (stock.face or stock.width), y + stock.height))
            assert decoded(page.crop(box), tmp_path / "label.png") == [names[number]]
            checked += 1
    assert checked >= 20
    assert Counter(printed.labels) == Counter({cable.label: 2 for cable in twin.cables})


def test_every_id_is_found_twice_and_both_ends_are_named(
    twin: labels.Cabling, sheets: tuple[Path, labels.Printed]
) -> None:
    found = Counter(word for *_, word in words(sheets[0]))
    # An id that is broken over two lines is two words.
    text = re.sub(r"(?<=[-/:])\n", "", run("pdftotext", "-raw", str(sheets[0]), "-"))
    for cable in twin.cables:
        for name in (cable.label, twin.end_id(cable.a), twin.end_id(cable.b)):
            whole = re.findall(rf"(?<!\S){re.escape(str(name))}(?!\S)", text)
            assert len(whole) == 2, name  # an end: once as HERE, once as FAR
    assert found["本端"] == found["对端"] == 2 * len(twin.cables)
    fonts = run("pdffonts", str(sheets[0]))
    assert "CJK" in fonts
    assert all(" yes " in line for line in fonts.splitlines()[2:])  # embedded


def test_nothing_leaves_its_label(sheets: tuple[Path, labels.Printed]) -> None:
    assert_inside(sheets[0], sheets[1])


def assert_inside(path: Path, printed: labels.Printed) -> None:
    """Every word lies in one label, and on flags in one face."""
    assert len(words(path)) >= 6 * len(printed.labels)
    flags = sum(not label.startswith("P-") for label in printed.labels)
    flag_pages = -(-flags // (FLAG.columns * FLAG.rows))
    for page, left, top, right, bottom, word in words(path):
        stock = FLAG if page < flag_pages else PLATE
        x, y = (left - stock.left) % stock.width, (top - stock.top) % stock.height
        assert x + right - left <= stock.width, word
        assert y + bottom - top <= stock.height + 0.3, word  # poppler's boxes are as high as the line
        if stock is FLAG:
            faces = ((0.0, FLAG.face), (FLAG.width - FLAG.face, FLAG.width))
            assert any(low <= x and x + right - left <= high for low, high in faces), word


@pytest.mark.parametrize("language", ["zh", "en"])
def test_long_names_stay_inside_and_whole(tmp_path: Path, language: str) -> None:
    places = {
        LONG: labels.Place(LONG, "RACK-WITH-A-LONG-NAME", 42, None, psus_needed=1),
        "sw": labels.Place("sw", "R1", 1, None),
        "PDU": labels.Place("PDU", "RACK-WITH-A-LONG-NAME", None, None, feed="FEED-WITH-A-LONG-NAME"),
    }
    cables = tuple(
        labels.Cable(n, labels.End(LONG, f"port-with-a-long-name-{n}"), labels.End(other, f"400GE1/0/{n}:1"), kind,
                     "connected", None, f"{'P' if kind == 'power' else 'F'}-{'X' * 34}-{n:02d}", 123.5, "m")
        for n, (other, kind) in enumerate((("sw", "mmf-om4"), ("PDU", "power"), ("sw", "cat6a")), start=1)
    )  # fmt: skip
    cabling = labels.Cabling(cables, places)
    path = tmp_path / "labels.pdf"
    printed = labels.render_pdf(cabling, path, language)
    assert len(printed.labels) == 6
    assert_inside(path, printed)
    text = re.sub(r"\s", "", run("pdftotext", "-raw", str(path), "-"))
    for cable in cables:
        assert text.count(str(cable.label)) == 2
        assert text.count(str(cabling.end_id(cable.a))) == 2


def test_what_is_in_conflict_is_not_printed(twin: labels.Cabling, tmp_path: Path) -> None:
    first, second, third, *_ = twin.cables
    twice = labels.Cable(**{**third.__dict__, "b": second.b})
    gone = labels.Cable(**{**first.__dict__, "status": "decommissioning"})
    printed = labels.render_pdf(labels.Cabling((gone, second, twice), twin.devices), tmp_path / "l.pdf")
    assert printed.labels == ()
    assert len(printed.skipped) == 3


def test_csv_for_label_printers(twin: labels.Cabling) -> None:
    rows = list(csv.DictReader(io.StringIO(labels.render_csv(twin), newline="")))
    assert len(rows) == 2 * len(twin.cables)
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert (first["here"], first["far"]) == (second["far"], second["here"])
        assert first["qr"] == first["label"] == second["qr"]
        assert (first["side"], second["side"]) == ("A", "B")


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.sampled_from("ABCxyz019-/:. 中文"), min_size=1, max_size=80).filter(str.strip),
    width=st.floats(5, 60),
    height=st.floats(2.5, 12),
)
def test_fitted_text_fits_and_loses_nothing(text: str, width: float, height: float) -> None:
    lines, size = fit(text, width, height, 9)
    assert "".join(lines) == text
    assert 0 < size <= 9
    assert max(map(width_em, lines)) * size * PT_MM <= width + 1e-6
    assert len(lines) * 1.2 * size * PT_MM <= height + 1e-6
    assert width_em("A中") == LATIN_EM + CJK_EM
