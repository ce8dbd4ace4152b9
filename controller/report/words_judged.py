"""Words of judging: verdicts, conclusion, clause table, expectations, details, findings, terminal summary."""

from __future__ import annotations

# key: (zh, en)
TABLE: dict[str, tuple[str, str]] = {
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
    # console
    "console.title": ("{site}  运行 {run}", "{site}  run {run}"),
    "console.clauses": ("条款", "clauses"),
    "console.checks": ("检查", "checks"),
    "console.findings": ("主要问题", "worst findings"),
    "console.more": ("另有 {count} 项，见报告", "{count} more in the report"),
    "console.report": ("报告", "report"),
    "console.remedy": ("整改：", "remedy: "),
}
