"""Which tools the service answers for, by the name under which a node calls them. To add one: a row in ``TOOLS``.

A tool is ``run(world, node, argv, say) -> rc``. ``node``: the name of the server it was called on; ``argv``: what
followed the tool's name; ``say(text)``: sends text to the caller's standard output at once (text carries its own line
ends) and raises ``Gone`` when the caller is no longer there, as a tool that was killed. It runs in a thread of its own.

A tool that reads or writes files of the node, or must be told that its caller went away while it waits, is a
``Session`` tool instead: it takes a ``lab.npu.call.Call``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lab.npu.call import Call, Session, plain
from lab.world import World

Say = Callable[[str], None]
Run = Callable[[World, str, Sequence[str], Say], int]

# Rows of further simulators: "npu-smi": plain(smi.run), "mpirun": plain(collective.mpirun), ...
TOOLS: Mapping[str, Session] = {}

__all__ = ["TOOLS", "Call", "Run", "Say", "Session", "plain"]
