"""Words of the document around its findings: cover, chapters, method, signatures, evidence, what could not be read."""

from __future__ import annotations

_SIMULATED = "模拟数据 · 非现场实测 / SIMULATED - not measured on hardware"
_HARDWARE = "现场实测 / Measured on site"
_MIXED = "含模拟数据 · 部分非现场实测 / PARTLY SIMULATED - not all measured on hardware"
_UNKNOWN = "数据来源未知 / PROVENANCE UNKNOWN - not to be taken as measured"

# key: (zh, en)
TABLE: dict[str, tuple[str, str]] = {
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
    "section.system": ("操作系统、内核参数与时间", "Operating system, kernel parameters and time"),
    "section.fabric": ("算力网络：无损与带宽", "Fabric: lossless and fast"),
    "section.interconnect": ("AI处理器：内存与片间互联", "NPUs: memory and interconnect"),
    "section.survey": ("机房与机柜勘察", "Site survey"),
    "section.assets": ("资产台账", "Asset ledger"),
    "section.outliers": ("同型号设备差异", "Outliers among identical devices"),
    "section.method": ("方法与术语", "Method and definitions"),
    "section.signatures": ("签署", "Signatures"),
    "section.serials": ("附录 A　部件序列号", "Appendix A: serial numbers of parts"),
    "section.evidence": ("附录 B　证据清单", "Appendix B: evidence"),
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
}
