"""The site's switch: an SSH server that speaks the command line of a Huawei CloudEngine (YunShan OS, VRP8).

``python -m lab.switch --state DIR`` runs it in the foreground. The configuration as committed lives in the world
(``switches/<name>.json``, key ``config``), so that what other devices see can follow from it.
"""

from lab.switch.person import RefusedLine, human

__all__ = ["RefusedLine", "human"]
