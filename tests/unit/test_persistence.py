"""Whether settings survived a restart: told from a restart that really happened, or not told at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import contract, persistence

BOOT = "3a5f9a4e-70a3-4d0e-a1c5-1b9e44c2a001"


def proc(start: int, boot: str = BOOT, name: str = "systemd") -> str:
    fields = f"1 ({name}) S 0 1 1 0 -1 4194560 9 9 9 9 9 9 9 9 20 0 1 0 {start} 170000 3000"
    return f"{boot}\n{fields}\n"


def result(**facts: Any) -> dict[str, Any]:
    return {"changed": False, "observations": [{"observation": {"facts": facts}, "raw": []}]}


def seen(marks: tuple[str | None, str | None], results: list[dict[str, Any]]) -> dict[str, Any]:
    made = persistence.seen("node", "node1", marks, results, simulated=True)
    contract.validate({**made["observation"], "raw": []}, "observation")
    facts: dict[str, Any] = made["observation"]["facts"]
    return facts


def test_a_container_is_told_apart_by_its_first_process_and_a_machine_by_its_kernel() -> None:
    first = persistence.boot_mark(proc(11))
    assert first is not None
    assert first != persistence.boot_mark(proc(12))
    assert first != persistence.boot_mark(proc(11, boot=BOOT.replace("3a", "3b")))
    assert first == persistence.boot_mark(proc(11, name="init) S (x"))


@given(st.one_of(st.none(), st.text(), st.builds(lambda text, cut: text[:cut], st.just(proc(11)), st.integers(0, 80))))
def test_what_is_no_such_text_is_no_mark(text: str | None) -> None:
    mark = persistence.boot_mark(text)
    assert mark is None or mark == persistence.boot_mark(proc(11))


def test_lost_settings_are_named_once_and_what_was_found_before_is_not_counted() -> None:
    told = seen(
        ("a", "b"),
        [
            result(mtu_differences=["node1 NPU3: mtu is 1500, planned 4200"], hccn={"environment_differences": ["x"]}),
            result(roce={"differences": ["x"]}, found={"differences": ["y"]}, optics_problems=["z"]),
        ],
    )
    assert told["persistence"] == {"restarted": True, "lost": ["node1 NPU3: mtu is 1500, planned 4200", "x"]}
    assert told["notes"] == []


@pytest.mark.parametrize(("marks", "restarted"), [(("a", "a"), False), ((None, "a"), None), (("a", None), None)])
def test_without_a_restart_nothing_is_proven(marks: tuple[str | None, str | None], restarted: bool | None) -> None:
    assert seen(marks, [result(mtu_differences=[])])["persistence"]["restarted"] is restarted


@pytest.mark.parametrize("results", [[], [{"failed": True}], [result(), {"unreachable": True}], [{"observations": []}]])
def test_a_device_that_could_not_be_read_is_unknown(results: list[dict[str, Any]]) -> None:
    told = seen(("a", "b"), results)
    assert told["persistence"]["lost"] is None
    assert told["notes"][0]["where"] == "persistence.lost"
