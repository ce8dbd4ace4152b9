"""Words of the chapter on the fabric (4.1.2)."""

from __future__ import annotations

# key: (zh, en)
TABLE: dict[str, tuple[str, str]] = {
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
}
