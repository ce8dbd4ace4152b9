"""Property tests over the whole report: whatever devices and people write, every form stays well-formed and honest."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml import html as lxml_html
from report_helpers import CHECKS, make_site, pdf_pages, words_off_the_page

from controller.report import html, machine, pdf, word
from controller.report.console import summary_lines
from controller.report.load import load
from controller.report.model import build
from controller.report.text import columns

NASTY = (
    "</td></tr></table><script>alert(1)</script>",
    "]]>--><!--",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt;&#x0;&amp;",
    "\x00\x01\x08\x0b\x1b[2J\x7f\x9f",
    "\ud800\udfff\ufffe",
    "\u202eevil\u202c\u2066x",
    "שלום עולם مرحبا",
    "x" * 3000,
    "长" * 2000,
    "word " * 700,
    "\\';}@page{}body{display:none}",
    "{{ 7 * 7 }}{% include 'x' %}{0.__class__}",
    "%s %n ${HOME} $(id)",
    "=HYPERLINK(1)",
    "  \n\t\r\n ",
    "🤦🏽\u200d♀️ e\u0301\u0301\u0301",
    "../../etc/passwd#deadbeef",
)
TEXT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=()), max_size=30))
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
VALUE = st.one_of(SCALAR, st.lists(SCALAR, max_size=3), st.dictionaries(TEXT, SCALAR, max_size=3))
BILINGUAL = st.one_of(TEXT, st.fixed_dictionaries({"zh": TEXT, "en": TEXT}), VALUE)
WORDS = st.one_of(st.sampled_from(["pass", "fail", "unknown", "manual", "waived", "not_run"]), VALUE)
VERDICT = st.fixed_dictionaries(
    {},
    optional={
        "clause": st.one_of(st.just("4.1.1-3"), SCALAR),
        "check": SCALAR,
        "title": BILINGUAL,
        "subject": st.one_of(st.fixed_dictionaries({"kind": TEXT, "id": TEXT}), VALUE),
        "verdict": WORDS,
        "expected": st.one_of(VALUE, st.dictionaries(st.sampled_from(["min", "max", "one_of", "decide"]), VALUE)),
        "observed": VALUE,
        "unit": VALUE,
        "severity": st.one_of(st.just("blocker"), VALUE),
        "reason": BILINGUAL,
        "remedy": BILINGUAL,
        "evidence": st.one_of(st.lists(TEXT, max_size=3), VALUE),
        "provenance": st.one_of(st.just("hardware"), VALUE),
        "waiver": VALUE,
    },
)
ROW_KEYS = """
    kind name device device_type description manufacturer serial part_id firmware rack position status event at slot
    from to field observed majority votes voters text id title subject value unit limit ok formula source missing detail
    remedy check quantity
""".split()  # noqa: SIM905 - as words they can be read
ROW = st.dictionaries(
    st.sampled_from(ROW_KEYS),
    st.one_of(BILINGUAL, VALUE, st.sampled_from(["active", "memory", "server"])),
    max_size=10,
)
RUN = st.fixed_dictionaries(
    {},
    optional={
        "site": VALUE,
        "run_id": VALUE,
        "started_at": VALUE,
        "finished_at": VALUE,
        "provenance": st.one_of(st.just("hardware"), VALUE),
        "tool": st.one_of(VALUE, st.fixed_dictionaries({"name": VALUE, "version": VALUE})),
        "stages": VALUE,
        "inventory": st.fixed_dictionaries({"subjects": VALUE, "waivers": st.lists(ROW, max_size=2)}),
    },
)
SITES = st.fixed_dictionaries(
    {
        "verdicts": st.lists(VERDICT, max_size=5),
        "clauses": st.lists(st.fixed_dictionaries({"id": SCALAR, "title": BILINGUAL, "tender": BILINGUAL}), max_size=2),
        "run": RUN,
        "ledger": st.dictionaries(
            st.sampled_from(["devices", "inventory_items", "events", "outliers"]), st.lists(ROW, max_size=3)
        ),
        "survey": st.fixed_dictionaries({"items": st.lists(ROW, max_size=3)}),
        "figure": TEXT,
    }
)


def written(folder: Path, site: dict[str, Any]) -> Path:
    """The run folder as a careless writer would leave it."""
    run = folder / "site" / "run"
    (run / "figures").mkdir(parents=True)
    document = {"verdicts": site["verdicts"], "clauses": site["clauses"], "site_accepted": True}
    for name, content in (
        ("verdicts.json", document),
        ("run.json", site["run"]),
        ("survey.json", site["survey"]),
        ("../ledger.json", site["ledger"]),
    ):
        (run / name).write_text(json.dumps(content), encoding="utf-8")
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><text>{site["figure"]}</text></svg>'
    (run / "figures" / "a.svg").write_bytes(drawing.encode("utf-8", "surrogatepass"))
    return run


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(SITES, st.sampled_from(["zh", "en"]))
def test_every_form_is_well_formed(site: dict[str, Any], language: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = load(written(Path(folder), site), Path(folder) / "no-contract.yml")
    report = build(data, language)
    assert len(report.details) <= len(report.clauses)
    tree = lxml_html.document_fromstring(html.screen_page(report).encode("utf-8"))
    assert not tree.xpath("//script | //img | //iframe | //@onerror")
    assert len(tree.xpath("//section")) == len(html.CHAPTERS) and len(tree.xpath("//style")) == 1
    with zipfile.ZipFile(io.BytesIO(word.render(report))) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                etree.fromstring(archive.read(name))
    suite = etree.fromstring(machine.junit(data, language).encode("utf-8"))
    assert len(list(suite.iter("testcase"))) == len(site["verdicts"])
    tests = json.loads(machine.ctrf(data, language))["results"]["tests"]
    # Only the word "pass" passes, whatever else a file says.
    passed = sum(item.get("verdict") == "pass" for item in site["verdicts"])
    assert [test["status"] for test in tests].count("passed") == passed
    lines = summary_lines({"verdicts": site["verdicts"], "clauses": site["clauses"]}, 80, False, language=language)
    assert all(columns(line) <= 80 and "\n" not in line and "\x1b" not in line for line in lines)


def test_a_pdf_of_everything_nasty(tmp_path: Path) -> None:
    site = make_site(tmp_path, nodes=1)
    for number, text in enumerate(NASTY):
        site.verdicts.append(
            {
                **site.verdict(CHECKS[0], "node1", "fail"),
                "check": f"nasty.{number}",
                "title": text,
                "subject": {"kind": text[:30] or "bmc", "id": text},
                "observed": text,
                "reason": {"zh": text, "en": text},
                "remedy": text,
            }
        )
    folder = site.write()
    run = site.run()
    run.update(site=NASTY[0], run_id=NASTY[11])
    site.save("run.json", json.loads(json.dumps(run)))
    report = build(load(folder, site.contract), "zh")
    content = pdf.render(report)
    pages = pdf_pages(content)
    assert all("SIMULATED" in page and "body{display:none}" in page for page in pages)
    text = "".join(pages)
    assert "alert(1)" in text and "{{7*7}}" in text  # shown, not run
    assert not words_off_the_page(content)
