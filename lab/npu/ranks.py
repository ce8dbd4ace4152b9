"""The ranks of a collective test: which node each is on, and what it sees of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# What HCCL takes for a variable that is not set (its environment reference).
DEFAULTS: Mapping[str, int] = {"HCCL_RDMA_TC": 132, "HCCL_RDMA_SL": 4, "HCCL_CONNECT_TIMEOUT": 120}


@dataclass(frozen=True)
class Member:
    """One rank. ``environment``: the variables of HCCL and of the log that its process has."""

    rank: int
    node: str
    environment: Mapping[str, str]

    def __hash__(self) -> int:
        return self.rank

    def value(self, name: str) -> int:
        """A number among the variables, or HCCL's default where it is not set or no number."""
        text = self.environment.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else DEFAULTS[name]

    @property
    def logs(self) -> bool:
        """Whether HCCL's error log goes to the screen; otherwise it goes to files on the rank's node."""
        return self.environment.get("ASCEND_SLOG_PRINT_TO_STDOUT") == "1"


Pair = tuple[Member, Member]
