"""The tools of the twin's NPUs: hccn_tool, npu-smi and the collective tests, served to the nodes over Unix sockets.

Nodes hold only thin clients (``lab/nodes/tools``); what a tool prints and does is decided here, where the world is.
"""
