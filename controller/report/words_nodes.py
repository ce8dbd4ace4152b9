"""Words of the chapters on the nodes: operating system (4.1.3-1) and NPUs (4.1.3-2)."""

from __future__ import annotations

# key: (zh, en)
TABLE: dict[str, tuple[str, str]] = {
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
}
