"""The commands that show PFC, QoS, ECN and links, and those about sessions and their lock."""

from __future__ import annotations

from collections.abc import Callable

from lab.switch import links_display, roce_display, sessions
from lab.switch.device import Device
from lab.switch.grammar import ALL, ANY_VIEW, LOSSLESS, USER_VIEW, Rule

# Commands about ports: for all of them, and with "interface <interface>" for one.
PER_PORT: tuple[tuple[str, Callable[[Device, str | None], str]], ...] = (
    ("display dcb", roce_display.dcb),
    ("display dcb pfc", roce_display.pfc),
    ("display dcb pfc buffer", roce_display.pfc_buffer),
    ("display dcb pfc deadlock trigger status", roce_display.deadlocks),
    ("display qos ecn threshold", roce_display.ecn_threshold),
    ("display qos ecn statistics", roce_display.ecn_statistics),
    ("display lldp neighbor", links_display.lldp),
    ("reset dcb pfc", roce_display.reset_pfc),
)
# Commands about named objects: for all of them, and for one.
NAMED: tuple[tuple[str, str, Callable[[Device, str | None], str]], ...] = (
    ("display dcb pfc-profile", "pfc-profile", roce_display.pfc_profiles),
    ("display diffserv domain", "ds-domain", roce_display.diffserv),
    ("display drop-profile", "drop", roce_display.drop_profiles),
    ("display qos configuration interface", "interface", roce_display.qos_configuration),
    ("display interface", "interface", links_display.interface),
)


def _one(form: str, name: str, shown: Callable[[Device, str | None], str]) -> Rule:
    view = USER_VIEW if form.startswith("reset") else ANY_VIEW
    return Rule(form, view, lambda cli, a: shown(cli.device, a.get(name)), families=LOSSLESS if " dcb" in form else ALL)


def roce_rules() -> list[Rule]:
    """What ``lab.switch.cli`` adds to its own commands."""
    rules = []
    for form, of_port in PER_PORT:
        rules += [_one(form, "", of_port), _one(f"{form} interface <interface>", "interface", of_port)]
    for form, name, of_name in NAMED:
        rules += [_one(form, "", of_name), _one(f"{form} <{name}>", name, of_name)]
    for form in ("display interface transceiver verbose", "display interface <interface> transceiver verbose"):
        rules.append(_one(form, "interface", links_display.transceiver))
    for form in ("display qos queue statistics slot <slot>", "display qos queue statistics interface <interface>"):
        rules.append(_one(form, "interface", links_display.queue_statistics))
    return [
        *rules,
        _whole("display qos headroom-usage", roce_display.headroom),
        _whole("display diffserv domain brief", roce_display.diffserv_brief),
        _whole("display drop-profile brief", roce_display.drop_brief),
        _whole("display configuration exclusive user", sessions.exclusive),
        Rule("display configuration sessions", ANY_VIEW, lambda cli, _: sessions.sessions(cli.device, cli.who)),
        Rule("configuration exclusive", ANY_VIEW, lambda cli, _: sessions.lock(cli.device, cli.who)),
        Rule("undo configuration exclusive", ANY_VIEW, lambda cli, _: sessions.unlock(cli.device, cli.who)),
    ]


def _whole(form: str, shown: Callable[[Device], str]) -> Rule:
    return Rule(form, ANY_VIEW, lambda cli, _: shown(cli.device))
