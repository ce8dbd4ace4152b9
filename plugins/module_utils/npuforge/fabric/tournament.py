"""Who meets whom: a round-robin tournament of nodes, and the order in which the ports of two nodes meet. Pure.

The circle method: one node stays, the others turn by one place per round; n nodes need n - 1 rounds (n when n is odd,
where each node sits out once). Each pair meets exactly once and no node is in two pairs of a round.
"""

from __future__ import annotations

from typing import Sequence, Tuple

Pair = Tuple[str, str]


def rounds(nodes: Sequence[str]) -> list[list[Pair]]:
    """The tournament of ``nodes``: per round the pairs that meet, each pair in the order of ``nodes``.

    A name that occurs twice counts once. One node or none has nobody to meet: no rounds.
    """
    names = list(dict.fromkeys(nodes))
    if len(names) < 2:
        return []
    place = {name: number for number, name in enumerate(names)}
    circle: list[str | None] = list(names)
    if len(circle) % 2:
        circle.append(None)  # whoever meets None sits this round out
    half = len(circle) // 2
    plan = []
    for _ in range(len(circle) - 1):
        pairs = []
        for first, second in zip(circle[:half], reversed(circle[half:])):
            if first is not None and second is not None:
                pairs.append((first, second) if place[first] < place[second] else (second, first))
        plan.append(sorted(pairs, key=lambda pair: place[pair[0]]))
        circle.insert(1, circle.pop())
    return plan


def shifts(sources: int, targets: int) -> list[list[tuple[int, int]]]:
    """Each of ``sources`` with each of ``targets``, in rounds in which every port is used at most once.

    Returns rounds of ``(source, target)`` places counted from nought. Round 0 joins equal places (ports of one rail).
    """
    width = max(sources, targets)
    if not sources or not targets:
        return []
    return [
        [(place, (place + shift) % width) for place in range(sources) if (place + shift) % width < targets]
        for shift in range(width)
    ]
