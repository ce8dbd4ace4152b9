"""Every sentence of the report, in Chinese and English. No other file of this package holds words a reader sees.

``{name}`` in a sentence is filled by ``Words.say(key, name=...)``.
"""

from __future__ import annotations

from .text import LANGUAGES

_SIMULATED = "模拟数据 · 非现场实测 / SIMULATED - not measured on hardware"
_HARDWARE = "现场实测 / Measured on site"
_MIXED = "含模拟数据 · 部分非现场实测 / PARTLY SIMULATED - not all measured on hardware"
_UNKNOWN = "数据来源未知 / PROVENANCE UNKNOWN - not to be taken as measured"

# key: (zh, en)
_TABLE: dict[str, tuple[str, str]] = {
    # document
    "title": ("集成服务验收报告", "Integration Service Acceptance Report"),
    "subtitle": (
        "医疗大模型算力群集采购项目（集成服务部分）合同附件",
        "Medical LLM computing cluster: annex to the contract",
    ),
    # Stamps are the same in both languages: whoever reads a single page must understand it.
    "stamp.simulated": (_SIMULATED, _SIMULATED),
    "stamp.hardware": (_HARDWARE, _HARDWARE),
    "stamp.mixed": (_MIXED, _MIXED),
    "stamp.unknown": (_UNKNOWN, _UNKNOWN),
    "mark.simulated": ("[模拟]", "[simulated]"),
    "mark.hardware": ("[实测]", "[measured]"),
    "mark.unknown": ("[来源未知]", "[unknown]"),
    "provenance.simulated": (
        "本报告的观测数据来自模拟环境，不是现场设备的实测结果，不能作为验收依据。",
        (
            "The observations in this report come from a simulated site. They are not measurements of hardware and "
            "are no basis for acceptance."
        ),
    ),
    "provenance.hardware": (
        "本报告的观测数据由工具在现场设备上直接读取。",
        "The observations in this report were read directly from the equipment on site.",
    ),
    "provenance.mixed": (
        "本报告的观测数据一部分来自模拟环境，一部分来自现场设备；每条判定均注明来源，模拟部分不能作为验收依据。",
        (
            "Some observations in this report come from a simulated site, others from equipment on site. Each verdict "
            "says which; the simulated ones are no basis for acceptance."
        ),
    ),
    "provenance.unknown": (
        "运行目录未说明数据来源，不得视为现场实测。",
        "The run folder does not say where its data come from; do not take it as measured on hardware.",
    ),
    "site": ("站点", "Site"),
    "run": ("运行编号", "Run"),
    "started": ("开始时间", "Started"),
    "finished": ("结束时间", "Finished"),
    "tool": ("工具与版本", "Tool and version"),
    "provenance": ("数据来源", "Provenance"),
    "inventory": ("受检对象", "Subjects"),
    "stages": ("已执行阶段", "Stages that ran"),
    "stage.with": ("{stage}（{state}）", "{stage} ({state})"),
    "stage.survey": ("机房复核", "survey"),
    "stage.hardware": ("硬件核查", "hardware"),
    "stage.os": ("操作系统", "operating system"),
    "stage.npu": ("AI处理器软件", "NPU software"),
    "stage.npu_test": ("AI处理器实测", "NPU test"),
    "stage.fabric": ("算力网络", "fabric"),
    "stage.fabric_test": ("网络实测", "fabric test"),
    "stage.persistence": ("重启演练", "restart drill"),
    "stage.state.done": ("已完成", "done"),
    "stage.state.started": ("已开始", "started"),
    "contents": ("目录", "Contents"),
    "page.before": ("第 ", "Page "),
    "page.between": (" / ", " / "),
    "page.after": (" 页", ""),
    "none": ("无", "none"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "more": ("等共 {count} 项", "and more: {count} in all"),
    "more_evidence": ("另有 {count} 个证据文件", "{count} more evidence files"),
    "and": ("、", ", "),
    # sections
    "section.summary": ("结论与概览", "Conclusion and summary"),
    "section.clauses": ("合同条款判定表", "Clause table"),
    "section.detail": ("逐条检查明细", "Checks per clause"),
    "section.findings": ("问题与整改建议", "Findings and remedies"),
    "section.fabric": ("算力网络：无损与带宽", "Fabric: lossless and fast"),
    "section.interconnect": ("AI处理器：内存与片间互联", "NPUs: memory and interconnect"),
    "section.survey": ("机房与机柜勘察", "Site survey"),
    "section.assets": ("资产台账", "Asset ledger"),
    "section.outliers": ("同型号设备差异", "Outliers among identical devices"),
    "section.method": ("方法与术语", "Method and definitions"),
    "section.signatures": ("签署", "Signatures"),
    "section.serials": ("附录 A　部件序列号", "Appendix A: serial numbers of parts"),
    "section.evidence": ("附录 B　证据清单", "Appendix B: evidence"),
    # verdicts
    "verdict.pass": ("符合", "pass"),
    "verdict.fail": ("不符合", "fail"),
    "verdict.unknown": ("无法判定", "unknown"),
    "verdict.manual": ("待人工确认", "manual"),
    "verdict.waived": ("已豁免", "waived"),
    "verdict.not_run": ("未执行", "not run"),
    "define.pass": ("已观测到，且满足合同要求。", "Observed, and meets the contract."),
    "define.fail": (
        "已观测到，但不满足合同要求，须整改。",
        "Observed, and does not meet the contract. Must be remedied.",
    ),
    "define.unknown": (
        "应当观测但未能看到（设备不可达、字段缺失、阈值未给出等）。无法判定永远不计为符合。",
        (
            "Should have been observed but could not be seen (device unreachable, field missing, threshold not "
            "given). Unknown never counts as pass."
        ),
    ),
    "define.manual": (
        "须由人员签字确认，工具不作判定。",
        "To be confirmed by a person's signature; the tool gives no verdict.",
    ),
    "define.waived": (
        "本为不符合或无法判定，双方书面同意在有效期内豁免，原因列于问题清单。",
        "Would be fail or unknown; waived in writing for a limited time. The reason is listed with the findings.",
    ),
    "define.not_run": (
        "本次运行没有执行证明该条款的阶段。",
        "The stage that proves this clause did not run this time.",
    ),
    "severity.blocker": ("阻断", "blocker"),
    "severity.major": ("重要", "major"),
    "severity.minor": ("一般", "minor"),
    "proof.measured": ("实测", "measured"),
    "proof.inspected": ("检查", "inspected"),
    "proof.drill": ("演练", "drill"),
    "proof.signed": ("签字", "signed"),
    # summary
    "accepted": ("满足验收条件", "Meets the conditions for acceptance"),
    "not_accepted": ("不满足验收条件", "Does not meet the conditions for acceptance"),
    "to_sign": ("签字确认后满足验收条件", "Meets the conditions for acceptance once signed"),
    "rehearsed": ("演练全部通过（非现场实测，不构成验收）", "Rehearsal passed (not measured on site: no acceptance)"),
    "open": ("尚不具备验收条件", "Not ready for acceptance"),
    "counts.clauses": ("条款判定（{count} 条）", "Clauses ({count})"),
    "counts.checks": ("检查判定（{count} 项）", "Checks ({count})"),
    "conclusion.scope": (
        "本次运行对站点 {site} 的 {subjects} 个受检对象作出 {checks} 项判定，覆盖合同 {clauses} 条条款。",
        (
            "This run judged {checks} checks on {subjects} subjects of site {site}, under {clauses} clauses of the "
            "contract."
        ),
    ),
    "conclusion.counts": ("条款判定结果：{counts}。", "Clauses: {counts}."),
    "conclusion.fail": (
        "不符合的条款：{clauses}，须按第 4 章整改后复测。",
        "Failed clauses: {clauses}. They must be remedied (chapter 4) and measured again.",
    ),
    "conclusion.unknown": (
        "无法判定的条款：{clauses}，须排除观测障碍后复测，不能视为符合。",
        (
            "Clauses that could not be judged: {clauses}. What hid them must be removed and the run repeated; they do "
            "not count as passed."
        ),
    ),
    "conclusion.waived": ("豁免生效的条款：{clauses}。", "Clauses under a waiver: {clauses}."),
    "conclusion.manual": ("{count} 条条款须双方签字确认。", "{count} clauses await confirmation by signature."),
    "conclusion.not_run": (
        "{count} 条条款的验证阶段尚未执行。",
        "The stages that prove {count} clauses have not run yet.",
    ),
    "conclusion.accepted": (
        "全部条款均已符合、豁免或经签字确认，满足验收条件。",
        "Every clause is passed, waived or confirmed; the conditions for acceptance are met.",
    ),
    "conclusion.to_sign": (
        "其余条款均已符合或豁免；上述条款签字确认后即满足验收条件。",
        "All other clauses are passed or waived; with those signatures the conditions for acceptance are met.",
    ),
    "conclusion.rehearsed": (
        "各条款在演练中均已符合、豁免或仅待签字，但数据并非全部来自现场实测，不能据此验收。",
        (
            "In this rehearsal every clause is passed, waived or awaits a signature only; but not all data were "
            "measured on site, so nothing is accepted by it."
        ),
    ),
    "subject.any": ("（未登记）", "(none listed)"),
    "conclusion.not_accepted": (
        "因存在不符合项，本次结果不满足验收条件。",
        "Because of the failed items the conditions for acceptance are not met.",
    ),
    "conclusion.open": (
        "未发现不符合项，但尚有未决条款，暂不具备验收条件。",
        "Nothing failed, but clauses are still open, so the cluster is not ready for acceptance.",
    ),
    "worst": ("首要问题", "Gravest findings"),
    "problems": ("数据完整性提示", "Completeness of the data"),
    # clause table
    "col.clause": ("条款", "Clause"),
    "col.tender": ("合同原文", "Tender sentence"),
    "col.threshold": ("要求", "Threshold"),
    "col.measured": ("实测", "Measured"),
    "col.verdict": ("判定", "Verdict"),
    "col.evidence": ("证据", "Evidence"),
    "col.check": ("检查项", "Check"),
    "col.expected": ("要求", "Expected"),
    "col.observed": ("实测", "Observed"),
    "col.subject": ("对象", "Subject"),
    "col.reason": ("原因", "Reason"),
    "col.remedy": ("整改建议", "Remedy"),
    "col.severity": ("级别", "Severity"),
    "threshold.many": ("{count} 项检查，要求见第 3 章", "{count} checks, see chapter 3"),
    "threshold.none": ("由签字确认", "confirmed by signature"),
    "threshold.later": ("由后续阶段的检查给出", "set by the checks of a later stage"),
    "measured.counts": ("{total} 项：{counts}", "{total}: {counts}"),
    "clause.unlisted": ("（合同数据中没有这一条款）", "(not among the clauses of the contract data)"),
    # expectations
    "expect.equals": ("= {value}", "= {value}"),
    "expect.min": ("≥ {value}", "≥ {value}"),
    "expect.max": ("≤ {value}", "≤ {value}"),
    "expect.between": ("{low} 至 {high}", "{low} to {high}"),
    "expect.one_of": ("其一：{value}", "one of: {value}"),
    "expect.empty": ("无", "none"),
    "expect.not_empty": ("须有值", "must be present"),
    "expect.all_equal": ("各对象一致", "equal on all"),
    "expect.unique": ("互不重复", "unique"),
    "expect.decide.domestic_bios": ("国产自主固件", "domestic firmware"),
    "expect.profile": ("按产品参数 {key}", "product profile: {key}"),
    "expect.site": ("按站点参数 {key}", "site value: {key}"),
    # detail
    "detail.intro": (
        "行为检查项，列为受检对象；单元格为判定符号与实测值。图例：{legend}。",
        (
            "Rows are checks, columns are subjects; a cell holds the verdict's symbol and the observed value. Legend: "
            "{legend}."
        ),
    ),
    "detail.group": ("{first} 至 {last} 等 {count} 个", "{count} subjects: {first} … {last}"),
    "detail.same": (
        "判定相同的对象合并为一列；合并列的成员：",
        "Subjects with equal verdicts share a column. Members of the shared columns:",
    ),
    "detail.varies": ("各异", "varies"),
    "detail.quiet": (
        "以下条款本次没有检查结果：",
        "These clauses have no checks in this run:",
    ),
    "detail.none": ("本次运行没有检查判定。", "This run holds no verdicts of checks."),
    # findings
    "findings.more": ("另有 {count} 项，见第 4 章。", "{count} more in chapter 4."),
    "findings.none": ("没有不符合或无法判定的检查。", "No check failed and none is unknown."),
    "findings.waived": ("已豁免项", "Waived"),
    "findings.waiver": ("豁免：{reason}；批准：{by}；有效期至：{until}", "Waived: {reason}; by {by}; until {until}"),
    "findings.no_remedy": ("未给出整改建议，请根据原因处理。", "No remedy on record; act on the reason."),
    "findings.no_reason": ("要求 {expected}，实测 {observed}", "expected {expected}, observed {observed}"),
    # fabric
    "colon": ("：", ": "),
    "fabric.none": ("本次运行没有执行算力网络阶段。", "The fabric stage did not run this time."),
    "fabric.lossless": ("无损网络", "Lossless network"),
    "fabric.fast": ("节点间带宽", "Bandwidth between nodes"),
    "fabric.worst_port": ("最慢端口 {port}（{rate} Gb/s）", "Slowest port {port} ({rate} Gb/s)"),
    "fabric.pairs": ("节点对带宽", "Pairs of nodes"),
    "fabric.heat": (
        "各端口单向带宽（Gb/s）：行为方向，列为发送端口；×为低于要求，?为未测得",
        (
            "One-way bandwidth of each port in Gb/s: rows are directions, columns the sending ports; × below the "
            "threshold, ? no number"
        ),
    ),
    "fabric.heat.axis": ("方向 \\ 发送端口", "direction \\ sending port"),
    "fabric.ports": ("逐端口核对（NPU侧与交换机侧）", "Port by port, both sides"),
    "fabric.legend": (
        "每格为该方面各项检查中最差的判定。图例：{legend}。",
        "A cell is the worst verdict of its checks. Legend: {legend}.",
    ),
    "fabric.sound": ("另有 {count} 个端口全部符合，未列出。", "{count} more ports pass throughout and are not listed."),
    "fabric.causes": ("问题端口与原因（最差在前）", "What is wrong, and where (worst first)"),
    "fabric.drawing": ("规划：轨道与端口", "The plan: rails and ports"),
    "fabric.side.npu": ("NPU侧", "NPU side"),
    "fabric.side.switch": ("交换机侧", "switch side"),
    "fabric.col.npu": ("NPU端口", "NPU port"),
    "fabric.col.switch_port": ("交换机端口", "Switch port"),
    "fabric.col.pair": ("节点对", "Pair"),
    "fabric.col.one_way": ("单向带宽（8端口合计）", "One way, 8 ports together"),
    "fabric.col.slowest": ("最慢", "Slowest"),
    "fabric.col.lost": ("重传包", "Sent again"),
    "fabric.aspect.link": ("链路", "link"),
    "fabric.aspect.optics": ("光模块", "optics"),
    "fabric.aspect.address": ("地址", "address"),
    "fabric.aspect.mtu": ("MTU", "MTU"),
    "fabric.aspect.pfc": ("PFC", "PFC"),
    "fabric.aspect.tls": ("TLS", "TLS"),
    "fabric.aspect.saved": ("持久化", "saved"),
    "fabric.aspect.cable": ("线缆", "cable"),
    "fabric.aspect.trust": ("信任DSCP", "trust"),
    "fabric.aspect.buffer": ("缓存", "buffer"),
    "fabric.aspect.ecn": ("ECN", "ECN"),
    # interconnect
    "interconnect.none": (
        "本次运行没有AI处理器的实测数据。",
        "This run holds no measurement of NPUs.",
    ),
    "interconnect.worst_pair": (
        "最慢芯片对 {node}: {pair}（{rate} GB/s）",
        "Slowest pair {node}: {pair} ({rate} GB/s)",
    ),
    "interconnect.pairs": ("芯片对带宽（最差在前）", "Pairs of chips (worst first)"),
    "interconnect.more_pairs": (
        "另有 {count} 个芯片对未列出，见热图。",
        "{count} more pairs are not listed; the heat-maps show them.",
    ),
    "interconnect.one_way": ("单向带宽（GB/s）", "one way, GB/s"),
    "interconnect.two_way": ("双向带宽（GB/s）", "two ways, GB/s"),
    "interconnect.heat": (
        "{node} 片间带宽，{way}：行为发送芯片，列为接收芯片；×为低于要求，!为明显低于中位数，?为未测得",
        "{node}, {way}: rows send, columns receive; × below the threshold, ! well below the median, ? no number",
    ),
    "interconnect.heat.axis": ("发送 \\ 接收", "from \\ to"),
    "interconnect.problems": ("拓扑、链路与偏慢芯片对", "Topology, links and slow pairs"),
    "interconnect.busy": ("芯片被占用，未实测", "chips were in use, not measured"),
    "interconnect.chips": ("逐芯片核对", "Chip by chip"),
    "interconnect.sound": (
        "另有 {count} 颗芯片全部符合，未列出。",
        "{count} more chips pass throughout and are not listed.",
    ),
    "interconnect.col.node": ("节点", "Node"),
    "interconnect.col.pair": ("芯片对", "Pair"),
    "interconnect.col.one_way": ("单向", "One way"),
    "interconnect.col.two_way": ("双向", "Two ways"),
    "interconnect.col.median": ("与中位数之比", "Of the median"),
    "interconnect.col.chip": ("芯片", "Chip"),
    "interconnect.col.model": ("型号", "Model"),
    "interconnect.col.capacity": ("HBM（MiB）", "HBM (MiB)"),
    "interconnect.col.ecc": ("ECC双比特 / 隔离页", "ECC double bit / isolated pages"),
    "interconnect.col.temperature": ("温度（℃）", "Temperature (°C)"),
    "interconnect.col.d2d": ("片内带宽", "Memory"),
    "interconnect.col.h2d": ("主机到芯片", "Host to chip"),
    "interconnect.col.d2h": ("芯片到主机", "Chip to host"),
    # survey
    "survey.none": ("本次运行没有勘察数据。", "This run holds no survey."),
    "survey.item": ("项目", "Item"),
    "survey.limit": ("限值", "Limit"),
    "survey.value": ("计算或实测值", "Value"),
    "survey.source": ("公式与出处", "Formula and source"),
    "survey.missing": ("缺少：{what}", "missing: {what}"),
    "survey.unverified": ("（出处待与标准原文核对）", "(source to be checked against the standard's text)"),
    "survey.figure": ("图 {number}　{name}", "Figure {number}: {name}"),
    "survey.figure_missing": (
        "图形见同目录的 report.html 或 report.pdf（本机缺少 poppler-utils，无法转为位图）。",
        (
            "See the figure in report.html or report.pdf beside this file (poppler-utils is not installed here, so it "
            "could not be turned into a bitmap)."
        ),
    ),
    "survey.figure_bad": ("图形文件 {name} 不是可用的 SVG：{problem}", "Figure {name} is not a usable SVG: {problem}"),
    "cabling.title": ("线缆核查", "Cabling"),
    # ledger
    "assets.none": ("没有资产台账文件。", "There is no asset ledger."),
    "assets.servers": ("设备", "Devices"),
    "assets.parts": ("部件汇总", "Parts by kind"),
    "assets.serials": ("各部件序列号见附录 A。", "The serial numbers of all parts are in appendix A."),
    "assets.shared": ("（序列号重复）", "(serial number occurs twice)"),
    "event.appeared": ("新增", "appeared"),
    "event.removed": ("移除", "removed"),
    "event.replaced": ("更换", "replaced"),
    "event.returned": ("重新出现", "returned"),
    "event.renamed": ("更名", "renamed"),
    "event.moved": ("移位", "moved"),
    "event.firmware_changed": ("固件变更", "firmware changed"),
    "field.fitted": ("在位", "fitted"),
    "field.manufacturer": ("厂商", "manufacturer"),
    "field.model": ("型号", "model"),
    "field.part_number": ("部件号", "part number"),
    "field.firmware": ("固件", "firmware"),
    "field.bios_version": ("BIOS 版本", "BIOS version"),
    "field.bmc_firmware": ("BMC 固件", "BMC firmware"),
    "assets.events": ("部件变更记录", "History of parts"),
    "col.name": ("名称", "Name"),
    "col.kind": ("类别", "Kind"),
    "col.model": ("型号", "Model"),
    "col.manufacturer": ("厂商", "Manufacturer"),
    "col.serial": ("序列号", "Serial number"),
    "col.part_number": ("部件号", "Part number"),
    "col.asset_tag": ("资产编号", "Asset tag"),
    "col.firmware": ("固件版本", "Firmware"),
    "col.place": ("位置", "Place"),
    "col.count": ("数量", "Count"),
    "col.devices": ("所在设备", "In devices"),
    "col.slots_serials": ("槽位与序列号", "Slot and serial number"),
    "col.time": ("时间", "Time"),
    "col.event": ("事件", "Event"),
    "col.attribute": ("属性", "Attribute"),
    "col.differs": ("差异", "Difference"),
    "col.usual": ("多数值", "Usual value"),
    "col.note": ("说明", "Note"),
    "unit.outlets": ("个", "outlets"),
    "unit.devices": ("台", "devices"),
    "unit.power supplies": ("个", "power supplies"),
    "unit.ohm": ("Ω", "Ω"),
    "unit.m3/h": ("m³/h", "m³/h"),
    "unit.kN/m2": ("kN/m²", "kN/m²"),
    "kind.server": ("服务器", "server"),
    "kind.switch": ("交换机", "switch"),
    "kind.cpu": ("处理器", "CPU"),
    "kind.npu": ("AI 处理器", "NPU"),
    "kind.memory": ("内存", "memory"),
    "kind.drive": ("硬盘", "drive"),
    "kind.fan": ("风扇", "fan"),
    "kind.psu": ("电源模块", "power supply"),
    "kind.nic": ("网卡", "network adapter"),
    "kind.board": ("主板", "mainboard"),
    "kind.bmc": ("BMC", "BMC"),
    "kind.node": ("节点", "node"),
    "kind.port": ("端口", "port"),
    "kind.node_pair": ("节点对", "node pair"),
    "kind.cluster": ("集群", "cluster"),
    "kind.service": ("服务", "service"),
    "kind.site": ("机房", "site"),
    "kind.rack": ("机柜", "rack"),
    "kind.feed": ("供电回路", "feed"),
    "outliers.none": ("同型号设备之间没有发现差异。", "No differences were found among identical devices."),
    # method
    "method.1": (
        (
            "工具先采集观测（observation），保留每条命令或接口返回的原始输出并计算 SHA-256；"
            "判定在控制机上按合同数据逐条作出，程序本身不含阈值。"
        ),
        (
            "The tool first collects observations, keeping the raw output of every command or interface with its "
            "SHA-256. Verdicts are made on the controller from the contract's data; the program itself holds no "
            "threshold."
        ),
    ),
    "method.2": (
        "部件数量由逐个部件的类型与状态统计得出，不采用设备自报的汇总值或健康汇总。",
        (
            "Parts are counted one by one by type and state; summaries and health roll-ups reported by devices are "
            "not used."
        ),
    ),
    "method.3": (
        "条款的判定取其全部检查中最差的一个，次序为：不符合 > 无法判定 > 待人工确认 > 未执行 > 已豁免 > 符合。",
        "A clause takes the worst of its checks, in this order: fail > unknown > manual > not run > waived > pass.",
    ),
    "method.4": (
        (
            "模拟环境（数字孪生）中的 BMC、交换机与 NPU 工具由软件扮演；由其得到的数据一律标注“模拟”，"
            "本报告每页均有醒目标记，不能代替现场实测。"
        ),
        (
            "In the simulated site (the twin) software plays the BMCs, the switch and the NPU tools. Everything "
            "obtained from it is marked simulated, on every page of this report, and never replaces a measurement on "
            "site."
        ),
    ),
    "method.5": (
        "条款表中的证据写作“文件#SHA-256 前 8 位”，完整散列值见附录 B，可用 sha256sum 复核。",
        (
            "Evidence in the clause table reads file#first 8 digits of its SHA-256; the full digests are in appendix "
            "B and can be checked with sha256sum."
        ),
    ),
    "method.words": ("判定用语", "Verdict words"),
    "col.symbol": ("符号", "Symbol"),
    "col.meaning": ("含义", "Meaning"),
    # signatures
    "sign.statement": (
        "各方已阅读本报告（运行编号 {run}），对其中所列判定、问题与整改要求予以确认。",
        "The parties have read this report (run {run}) and confirm the verdicts, findings and remedies stated in it.",
    ),
    "sign.simulated": (
        "注意：本报告含模拟数据，签署仅表示确认流程与格式，不构成验收。",
        "Note: this report holds simulated data. Signing it confirms procedure and form only and is no acceptance.",
    ),
    "sign.customer": ("甲方（采购人）", "Party A (purchaser)"),
    "sign.supplier": ("乙方（供应商）", "Party B (supplier)"),
    "sign.supervisor": ("监理方", "Supervisor"),
    "sign.company": ("单位名称", "Organisation"),
    "sign.name": ("代表签字", "Signature"),
    "sign.printed": ("姓名（正楷）", "Name in print"),
    "sign.date": ("日期", "Date"),
    "sign.day": ("　　年　　月　　日", "        /        /        "),
    "sign.stamp": ("盖章处", "Stamp"),
    "sign.manual": ("须签字确认的条款", "Clauses to be confirmed by signature"),
    "sign.confirm": ("确认结果", "Confirmed"),
    "sign.boxes": ("□ 符合　□ 不符合", "□ yes   □ no"),
    "sign.initials": ("签字", "Initials"),
    # evidence
    "evidence.none": ("本次运行没有证据文件。", "This run holds no evidence files."),
    "col.file": ("文件", "File"),
    "col.sha": ("SHA-256", "SHA-256"),
    "col.bytes": ("字节", "Bytes"),
    "col.collector": ("采集器", "Collector"),
    "col.provenance": ("来源", "Source"),
    "col.collected": ("采集时间", "Collected at"),
    "evidence.observations": ("观测", "Observations"),
    "evidence.raw": ("原始输出", "Raw output"),
    # problems found while reading the run folder
    "problem.missing": ("缺少文件 {file}", "{file} is missing"),
    "problem.broken": ("文件 {file} 无法解析：{problem}", "{file} cannot be read: {problem}"),
    "problem.shape": ("文件 {file} 的内容不是预期结构", "{file} does not hold what it should"),
    "problem.digest": (
        "证据 {file} 与判定时的散列值不一致",
        "Evidence {file} differs from the digest that the verdict names",
    ),
    "problem.absent": (
        "判定所引用的证据 {file} 不在运行目录中",
        "Evidence {file} that a verdict names is not in the run folder",
    ),
    "problem.judge": ("判定时提示：{text}", "While judging: {text}"),
    "problem.many": ("另有 {count} 条提示", "{count} more"),
    "problem.contract": (
        "没有合同条款数据，条款表只含已判定的条款",
        "There is no contract data; the clause table holds judged clauses only",
    ),
    "problem.accepted": (
        "判定文件标记为已验收，但其中存在未符合的条款；本报告不采信该标记",
        "The verdicts file says accepted although clauses are open; this report does not follow it",
    ),
    # console
    "console.title": ("{site}  运行 {run}", "{site}  run {run}"),
    "console.clauses": ("条款", "clauses"),
    "console.checks": ("检查", "checks"),
    "console.findings": ("主要问题", "worst findings"),
    "console.more": ("另有 {count} 项，见报告", "{count} more in the report"),
    "console.report": ("报告", "report"),
    "console.remedy": ("整改：", "remedy: "),
}

STRINGS: dict[str, dict[str, str]] = {
    language: {key: pair[index] for key, pair in _TABLE.items()} for index, language in enumerate(LANGUAGES)
}


class Words:
    """The sentences of one language.

    >>> Words("en").say("expect.min", value="190 GB/s")
    '≥ 190 GB/s'
    """

    def __init__(self, language: str) -> None:
        if language not in STRINGS:
            raise ValueError(f"no report language {language!r}; there are {', '.join(LANGUAGES)}")
        self.language = language
        self._table = STRINGS[language]

    def __call__(self, key: str) -> str:
        return self._table[key]

    def say(self, key: str, /, **values: object) -> str:
        """The sentence with its blanks filled; the values are taken as they are, braces in them included."""
        return self._table[key].format(**{name: str(value) for name, value in values.items()})

    def word(self, group: str, name: str) -> str:
        """``group.name`` if the table has it, else the name itself: the world may know kinds that we do not."""
        return self._table.get(f"{group}.{name}", name)
