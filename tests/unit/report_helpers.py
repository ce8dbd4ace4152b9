"""Makes run folders for the report's tests: a realistic site, and any number of nodes. No other part of the project."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUN_ID = "20261124T060405Z"
TENDER_HARDWARE = (
    "加电自检，通过BMC检查CPU、AI处理器、内存、硬盘、风扇、电源状态，验证BIOS为国产自主固件，记录SN并录入资产台账。"
)
TENDER_BANDWIDTH = "验证节点间带宽大于等于190GB/s。"
KINDS = (("cpu", 4), ("npu", 8), ("memory", 32), ("drive", 6), ("fan", 8), ("psu", 4), ("nic", 1))
NAMES = {
    "cpu": ("CPU", "CPUs"),
    "npu": ("AI处理器", "NPUs"),
    "memory": ("内存", "DIMMs"),
    "drive": ("硬盘", "drives"),
    "fan": ("风扇", "fans"),
    "psu": ("电源模块", "power supplies"),
    "nic": ("网卡", "network adapters"),
}
CHECKS: list[dict[str, Any]] = [
    check
    for kind, count in KINDS
    for check in (
        {
            "id": f"hardware.{kind}_count",
            "title": {"zh": f"{NAMES[kind][0]}数量", "en": f"Number of {NAMES[kind][1]}"},
            "expect": {"equals": count},
            "unit": "",
            "severity": "blocker",
            "good": count,
        },
        {
            "id": f"hardware.{kind}_health",
            "title": {"zh": f"{NAMES[kind][0]}健康状态", "en": f"Health of {NAMES[kind][1]}"},
            "expect": {"empty": True},
            "unit": None,
            "severity": "major",
            "good": [],
        },
        {
            "id": f"hardware.{kind}_model",
            "title": {"zh": f"{NAMES[kind][0]}型号", "en": f"Model of {NAMES[kind][1]}"},
            "expect": {"not_empty": True},
            "unit": None,
            "severity": "minor",
            "good": f"{kind.upper()} model 910B3",
        },
    )
] + [
    {
        "id": "hardware.post",
        "title": {"zh": "加电自检", "en": "Power-on self test"},
        "expect": {"equals": "ok"},
        "unit": None,
        "severity": "blocker",
        "good": "ok",
    },
    {
        "id": "hardware.bios_domestic",
        "title": {"zh": "BIOS为国产自主固件", "en": "BIOS is domestic firmware"},
        "expect": {"decide": "domestic_bios"},
        "unit": None,
        "severity": "blocker",
        "good": "Huawei 7.44",
    },
    {
        "id": "hardware.memory_total",
        "title": {"zh": "内存总容量", "en": "Memory in all"},
        "expect": {"min": 1048576},
        "unit": "MiB",
        "severity": "major",
        "good": 1048576,
    },
    {
        "id": "hardware.clock",
        "title": {"zh": "BMC时钟偏差", "en": "Clock offset of the BMC"},
        "expect": {"between": [-300, 300]},
        "unit": "s",
        "severity": "minor",
        "good": 0.4,
    },
]
CONTRACT = f"""
- id: 4.1.1-1
  title: {{zh: 机房环境复核, en: Room survey}}
  tender: 复核机房供电、散热、承重、接地、机柜空间，不满足时提出整改建议。
  proof: inspected
  checks:
    - {{id: survey.heat, title: {{zh: 制冷余量, en: Cooling left}}, subjects: site, fact: x,
       expect: {{min: 0}}, unit: kW}}
- id: 4.1.1-3
  title: {{zh: 加电自检与资产登记, en: "Power-on, BMC health, asset ledger"}}
  tender: {TENDER_HARDWARE}
  proof: measured
  checks: []
- id: 4.1.2-2
  title: {{zh: 节点间带宽, en: Bandwidth between nodes}}
  tender: {TENDER_BANDWIDTH}
  proof: measured
  checks:
    - {{id: fabric.node_bandwidth, title: {{zh: 节点间单向带宽, en: One-way bandwidth}}, subjects: node_pair, fact: x,
       expect: {{min: 190}}, unit: GB/s, severity: blocker}}
- id: 4.1.4-2
  title: {{zh: 算力性能, en: Performance}}
  tender: 算力性能测试：运行ResNet-50混合精度训练，3节点线性度大于等于95%。
  proof: measured
  checks: []
- id: 4.4.1-1
  title: {{zh: 技术支持热线, en: Support line}}
  tender: 7x24小时原厂技术支持热线及专属群。
  proof: signed
  checks: []
- id: 4.5.3
  title: {{zh: 文档交付, en: Documents}}
  tender: 交付全套技术文档光盘，含部署文档、运维手册、API文档、测试报告、验收文档。
  proof: signed
  checks: []
"""
RACK_SVG = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" width="240" height="420" viewBox="0 0 240 420">
<style>.device{fill:#dde6ee;stroke:#445} text{font-size:11px; font-family: sans-serif}</style>
<rect id="frame" x="30" y="10" width="180" height="400" fill="none" stroke="#333"/>
<g class="device"><rect x="34" y="40" width="172" height="80"/><rect x="34" y="140" width="172" height="80"/></g>
<text x="60" y="84">node1 昇腾服务器</text><text x="60" y="184">node2 昇腾服务器</text>
<text x="40" y="400">R01 机柜立面</text></svg>
"""


@dataclass
class Site:
    """A run folder in the making. ``verdicts`` may be changed before ``write``."""

    root: Path
    nodes: int = 3
    provenance: str = "simulated"
    name: str = "demo-hospital"
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    clauses: list[dict[str, Any]] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / "artifacts" / self.name / RUN_ID

    @property
    def contract(self) -> Path:
        return self.root / "clauses.yml"

    def observe(self) -> None:
        """One observation with a raw file per node."""
        (self.folder / "observations").mkdir(parents=True, exist_ok=True)
        (self.folder / "raw").mkdir(exist_ok=True)
        for name in self.node_names():
            raw = json.dumps({"@odata.id": "/redfish/v1", "Name": name}).encode()
            (self.folder / "raw" / f"{name}-redfish.json").write_bytes(raw)
            document = {
                "schema": "npuforge.observation/1",
                "subject": {"kind": "bmc", "id": name},
                "collected_at": "2026-11-24T06:05:00Z",
                "collector": "bmc_info",
                "tool": {"name": "npuforge", "version": "0.1.0"},
                "provenance": self.provenance,
                "facts": {"reachable": True, "npu": {"present_count": 8}},
                "raw": [
                    {
                        "argv": ["GET", "/redfish/v1"],
                        "rc": 0,
                        "seconds": 3.2,
                        "sha256": hashlib.sha256(raw).hexdigest(),
                        "file": f"raw/{name}-redfish.json",
                    }
                ],
            }
            content = json.dumps(document).encode()
            path = self.folder / "observations" / f"bmc-{name}-bmc_info.json"
            path.write_bytes(content)
            self.evidence[name] = f"observations/{path.name}#{hashlib.sha256(content).hexdigest()}"

    def node_names(self) -> list[str]:
        return [f"node{number}" for number in range(1, self.nodes + 1)]

    def verdict(self, check: dict[str, Any], node: str, word: str = "pass", **more: Any) -> dict[str, Any]:
        return {
            "clause": "4.1.1-3",
            "check": check["id"],
            "title": check["title"],
            "subject": {"kind": "bmc", "id": node},
            "verdict": word,
            "expected": check["expect"],
            "observed": check["good"],
            "unit": check["unit"],
            "severity": check["severity"],
            "reason": {"zh": "实测值满足要求", "en": "the observed value meets the expectation"},
            "remedy": None,
            "evidence": [self.evidence[node]],
            "provenance": self.provenance,
            **more,
        }

    def judge(self) -> None:
        """All pass, but a failed count, two unknowns, a waived health and the bandwidth of one pair."""
        for node in self.node_names():
            self.verdicts += [self.verdict(check, node) for check in CHECKS]
        self.set(
            "hardware.npu_count",
            "node2",
            verdict="fail",
            observed=7,
            reason={"zh": "AI处理器应为8颗，实测7颗（缺NPU3）", "en": "8 NPUs expected, 7 seen (NPU3 is missing)"},
            remedy={
                "zh": "断电后重新安装或更换NPU3模组，重新检查。",
                "en": "Reseat or replace NPU3, then check again.",
            },
        )
        self.set(
            "hardware.bios_domestic",
            "node3",
            verdict="unknown",
            observed=None,
            reason={"zh": "BMC未返回BIOS厂商", "en": "the BMC tells no BIOS vendor"},
            remedy="升级BMC固件后重试 / update the BMC firmware",
        )
        self.set("hardware.clock", "node3", verdict="unknown", observed=None, reason="no time in the Manager resource")
        self.set(
            "hardware.fan_health",
            "node1",
            verdict="waived",
            observed=["Fan3: 1200 rpm below 1800 rpm"],
            reason={"zh": "Fan3转速低于下限", "en": "Fan3 is below its threshold"},
            waiver={"was": "fail", "reason": "备件已订购 spare on order", "by": "甲方代表", "until": "2026-12-31"},
        )
        for pair, value in (("node1-node2", 193.7), ("node1-node3", 121.25), ("node2-node3", 192.1)):
            self.verdicts.append(
                {
                    "clause": "4.1.2-2",
                    "check": "fabric.node_bandwidth",
                    "title": {"zh": "节点间单向带宽", "en": "One-way bandwidth"},
                    "subject": {"kind": "node_pair", "id": pair},
                    "verdict": "pass" if value >= 190 else "fail",
                    "expected": {"min": 190},
                    "observed": value,
                    "unit": "GB/s",
                    "severity": "blocker",
                    "reason": {"zh": f"实测{value} GB/s", "en": f"observed {value} GB/s"},
                    "remedy": {"zh": "检查交换机端口PFC与ECN配置。", "en": "Check PFC and ECN on the switch ports."},
                    "evidence": [self.evidence["node1"]],
                    "provenance": self.provenance,
                }
            )
        without_check = {"4.1.1-1": "not_run", "4.1.4-2": "not_run", "4.4.1-1": "manual", "4.5.3": "manual"}
        for clause, word in without_check.items():
            self.verdicts.append(
                {
                    "clause": clause,
                    "check": None,
                    "title": {"zh": "条款", "en": "clause"},
                    "subject": {"kind": "cluster", "id": self.name},
                    "verdict": word,
                    "expected": None,
                    "observed": None,
                    "unit": None,
                    "severity": None,
                    "reason": {"zh": "没有检查", "en": "no check"},
                    "remedy": None,
                    "evidence": [],
                    "provenance": self.provenance,
                }
            )

    def set(self, check: str, node: str, **changes: Any) -> None:
        """Change one verdict; its subject must exist."""
        if node not in self.node_names():
            return
        found = [item for item in self.verdicts if item["check"] == check and item["subject"]["id"] == node]
        found[0].update(changes)

    def ledger(self) -> dict[str, Any]:
        """As contract/schema/ledger.schema.json; what the report does not read is left out."""
        devices, parts = [], []
        for number, name in enumerate(self.node_names(), start=1):
            devices.append(
                {
                    "kind": "server",
                    "name": name,
                    "manufacturer": "Huawei",
                    "device_type": "Atlas 800T A2",
                    "serial": f"2102314TWN10P0000{number:03d}",
                    "part_number": "02314TWN",
                    "asset_tag": f"TWIN-{number:03d}",
                    "firmware": "BIOS 7.44, BMC 5.03.02.11",
                    "rack": "R01",
                    "position": 8 * number,
                    "status": "active",
                    "provenance": self.provenance,
                }
            )
            for kind, count in KINDS:
                parts += [
                    {
                        "kind": kind,
                        "device": name,
                        "name": f"{kind.upper()}{slot}",
                        "manufacturer": "Huawei",
                        "description": f"{kind}-model",
                        "serial": f"{kind.upper()}{number:03d}10P{slot:02d}",
                        "part_id": f"0231{kind.upper()}",
                        "firmware": "7.5.0.5.220" if kind == "npu" else None,
                        "status": "active",
                        "provenance": self.provenance,
                    }
                    for slot in range(1, count + 1)
                ]
        gone = {**parts[0], "serial": "GONE-SERIAL", "status": "offline"}
        event = {"run_id": RUN_ID, "at": "2026-11-20T01:00:00Z", "kind": "npu", "device": "node2", "slot": "NPU3"}
        return {
            "schema": "npuforge.ledger/1",
            "devices": devices,
            "inventory_items": [*parts, gone],
            "events": [{**event, "event": "removed", "serial": "NPU-OLD-1"}],
            "outliers": [
                {
                    "device": "node2",
                    "kind": "memory",
                    "slot": "MEMORY12",
                    "field": "model",
                    "observed": "M393B",
                    "majority": "M393A",
                    "votes": 2,
                    "voters": 3,
                    "text": {"zh": "node2 MEMORY12 型号与多数不同", "en": "node2 differs in MEMORY12 model"},
                }
            ],
        }

    def survey(self) -> dict[str, Any]:
        """As ``controller.survey`` writes survey.json: one item fits, one does not, one is not known."""

        def item(kind: str, name: str, value: float | None, ok: bool | None, **more: Any) -> dict[str, Any]:
            return {
                "id": f"load:{name}",
                "title": {"zh": "回路负载率", "en": "Load of the feed"},
                "subject": {"kind": kind, "id": name},
                "quantity": "feed_load_percent",
                "value": value,
                "unit": "%",
                "limit": {"max": 80},
                "ok": ok,
                "formula": "P = U · I · cos φ · 0.8",
                "source": "NEC 210.20",
                "source_verified": True,
                "missing": [],
                "remedy": None,
                **more,
            }

        remedy = {"zh": "将node3移至R02，或改用7.4kW供电回路。", "en": "Move node3 to R02, or fit a 7.4 kW feed."}
        items = [
            item("feed", "A", 74.2, True),
            item("feed", "B", 91.0, False, remedy=remedy),
            item("site", "room", None, None, missing=["grounding_ohm"]),
        ]
        return {"schema": "npuforge.survey_result/1", "items": items}

    def write(self) -> Path:
        """Everything to disk; returns the run folder."""
        self.contract.write_text(CONTRACT, encoding="utf-8")
        self.save("run.json", self.run())
        document = {"schema": "npuforge.verdicts/1", "site_accepted": False, "verdicts": self.verdicts}
        self.save("verdicts.json", {**document, "clauses": self.clauses, "problems": []})
        self.save("survey.json", self.survey())
        self.save("../ledger.json", self.ledger())
        (self.folder / "figures").mkdir(exist_ok=True)
        (self.folder / "figures" / "rack-R01.svg").write_text(RACK_SVG, encoding="utf-8")
        return self.folder

    def run(self) -> dict[str, Any]:
        return {
            "schema": "npuforge.run/1",
            "site": self.name,
            "run_id": RUN_ID,
            "started_at": "2026-11-24T06:04:05Z",
            "finished_at": "2026-11-24T06:07:41Z",
            "provenance": self.provenance,
            "inventory": {
                "subjects": {"bmc": self.node_names(), "switch": ["sw1"]},
                "profiles": dict.fromkeys(self.node_names(), "atlas_800t_a2"),
                "expect": {},
                "waivers": [],
            },
            "stages": {"hardware": {"started_at": None, "finished_at": None, "state": "done"}},
            "tool": {"name": "npuforge", "version": "0.1.0"},
        }

    def save(self, name: str, document: Any) -> None:
        (self.folder / name).write_text(json.dumps(document), encoding="utf-8")


def make_site(root: Path, nodes: int = 3, provenance: str = "simulated") -> Site:
    """A judged site, not yet written."""
    site = Site(root, nodes, provenance)
    site.observe()
    site.judge()
    return site


def pdf_pages(pdf: bytes) -> list[str]:
    """The text of each page as pdftotext reads it, without white space: lines break where the page ends."""
    done = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True, timeout=60)
    return [re.sub(r"\s+", "", page) for page in done.stdout.decode().split("\f")[:-1]]


def words_off_the_page(pdf: bytes) -> list[str]:
    """Words of a PDF that reach into the outer 14 mm left and right or 5 mm above and below, as pdftotext sees them."""
    done = subprocess.run(["pdftotext", "-bbox", "-", "-"], input=pdf, capture_output=True, check=True, timeout=60)
    found, words = [], 0
    for width, height, body in re.findall(
        r'<page width="(.*?)" height="(.*?)">(.*?)</page>', done.stdout.decode(), re.S
    ):
        for *box, word in re.findall(r'xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)">(.*?)<', body):
            words += 1
            left, top, right, bottom = map(float, box)
            if left < 40 or right > float(width) - 40 or top < 15 or bottom > float(height) - 15:
                found.append(word)
    assert words, "pdftotext found no words at all"
    return found
