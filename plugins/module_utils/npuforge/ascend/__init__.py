"""Ascend NPUs of one node: their ports (``hccn_tool``, /etc/hccn.conf) and what ``npu-smi`` says of them."""
