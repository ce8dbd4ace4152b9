"""Which tools the service answers for, by the name under which a node calls them. To add one: a row in ``TOOLS``.

A plain tool is ``run(world, node, argv, say) -> rc`` (``lab.npu.call.Run``). ``node``: the name of the server it was
called on; ``argv``: what followed the tool's name; ``say(text)``: sends text to the caller's standard output at once
(text carries its own line ends) and raises ``lab.npu.call.Gone`` when the caller is no longer there, as a tool that was
killed. It runs in a thread of its own.

A tool that reads or writes files of the node, writes to standard error, or must be told that its caller went away while
it waits, takes a ``lab.npu.call.Call`` instead.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.npu import collective, dmi, hccn, launch, smi, software
from lab.npu.call import Session, plain

TOOLS: Mapping[str, Session] = {
    "hccn_tool": software.hccn_tool(hccn.run),
    "npu-smi": software.npu_smi(plain(smi.run)),
    "ascend-dmi": software.ascend_dmi(dmi.run),
    "mpirun": software.hccl_test(launch.mpirun),
    **{f"{name}_test": software.hccl_test(launch.alone(name)) for name in collective.OPERATIONS},
    software.TOOL: software.upgrade_tool,
}
