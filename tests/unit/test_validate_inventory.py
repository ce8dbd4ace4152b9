"""A correct inventory has no mistake; every mistake is reported with host, key, value, expectation; all at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.validate import Report, validate_inventory
from tests.unit.validate_helpers import SECRETS, TODAY, edit, encrypt, make_site, vault_secrets

HOSTS, SITE, SERVERS, SWITCHES = (
    "hosts.yml",
    "group_vars/all/site.yml",
    "group_vars/npu_servers.yml",
    "group_vars/switches.yml",
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path)


def validate(site: Path) -> Report:
    return validate_inventory([str(site)], vault_secrets(), TODAY)


def test_the_filled_in_example_has_no_mistake(site: Path) -> None:
    report = validate(site)
    expected = f"no mistakes in {site} (3 in npu_servers, 1 in switches)"
    assert report.lines() == [expected], "\n".join(report.lines())
    assert report.ok and not report.notes


def test_the_hosts_file_alone_is_the_same_inventory(site: Path) -> None:
    assert validate_inventory([str(site / "hosts.yml")], vault_secrets(), TODAY).ok


NO_BMC_NETWORK = (SITE, "bmc:\n    subnet: 10.20.1.0/24\n    gateway: 10.20.1.1", "storage:\n    subnet: 10.20.1.0/24")
NO_MANAGEMENT = (SITE, "  management:\n    subnet: 10.20.0.0/24\n    gateway: 10.20.0.1\n", "")


def storage(subnet: str) -> tuple[str, str, str]:
    return (SITE, "  # Also possible:", f"  storage:\n    subnet: {subnet}\n  # Also possible:")


def fabric(line: str) -> tuple[str, str, str]:
    return (SITE, "  netdetect: gateway\n", f"  netdetect: gateway\n  {line}\n")


PLAN = "a network that can be planned: "
# What is changed, and the one mistake that follows: hosts, key, part of the value, part of what was expected.
Case = tuple[str, list[tuple[str, str, str]], tuple[tuple[str, ...], str, str, str]]
CASES: list[Case] = [
    (
        "duplicate host address",
        [(HOSTS, "ansible_host: 10.20.0.12", "ansible_host: 10.20.0.11")],
        (("node2",), "ansible_host", "10.20.0.11", "an address of its own: node1 has it as ansible_host"),
    ),
    (
        "BMC equals its host",
        [(HOSTS, "bmc_address: 10.20.1.12", "bmc_address: 10.20.0.12"), NO_BMC_NETWORK],
        (("node2",), "bmc_address", "10.20.0.12", "equals its own ansible_host"),
    ),
    (
        "the same IPv6 address in two forms",
        [
            (HOSTS, "bmc_address: 10.20.1.12", "bmc_address: FD00:0:0::5"),
            (HOSTS, "bmc_address: 10.20.1.13", 'bmc_address: "fd00::5"'),
            NO_BMC_NETWORK,
        ],
        (("node3",), "bmc_address", "fd00::5", "node2 has it as bmc_address"),
    ),
    (
        "IPv4 mapped into IPv6",
        [(HOSTS, "bmc_address: 10.20.1.12", 'bmc_address: "::ffff:10.20.1.11"')],
        (("node2",), "bmc_address", "::ffff:10.20.1.11", "node1 has it as bmc_address"),
    ),
    (
        "NPU address equals a switch",
        [(HOSTS, "ansible_host: 10.20.0.5", "ansible_host: 10.30.0.14"), NO_MANAGEMENT],
        (("node1",), "site_fabric", "first_address", "node1/NPU4: its address 10.30.0.14 is sw1's ansible_host"),
    ),
    (
        "duplicate serial number",
        [(HOSTS, "2102314EXAMPLE000003", "2102314example000001")],
        (("node3",), "asset_serial", "2102314example000001", "a serial number of its own: node1 has it"),
    ),
    (
        "overlapping subnets",
        [storage("10.20.1.128/25")],
        (("all",), "site_networks.storage.subnet", "10.20.1.128/25", "does not overlap site_networks.bmc.subnet"),
    ),
    (
        "address outside its subnet",
        [(HOSTS, "bmc_address: 10.20.1.12", "bmc_address: 10.20.9.12")],
        (("node2",), "bmc_address", "10.20.9.12", "an address in site_networks.bmc.subnet, 10.20.1.0/24"),
    ),
    (
        "network address as host",
        [(HOSTS, "bmc_address: 10.20.1.12", "bmc_address: 10.20.1.0")],
        (("node2",), "bmc_address", "10.20.1.0", "not the network address"),
    ),
    (
        "gateway outside its subnet",
        [(SITE, "gateway: 10.20.1.1", "gateway: 10.20.7.1")],
        (("all",), "site_networks.bmc.gateway", "10.20.7.1", "the network's own subnet, 10.20.1.0/24"),
    ),
    (
        "gateway is a host",
        [(SITE, "gateway: 10.20.1.1", "gateway: 10.20.1.13")],
        (("all",), "site_networks.bmc.gateway", "10.20.1.13", "node3 has it as bmc_address"),
    ),
    (
        "host bits in a subnet",
        [storage("10.40.0.1/24")],
        (("all",), "site_networks.storage.subnet", "10.40.0.1/24", "a subnet without host bits: 10.40.0.0/24"),
    ),
    (
        "text where a number belongs",
        [(SERVERS, "bmc_port: 443", 'bmc_port: "443"')],
        (("node1", "node2", "node3"), "bmc_port", '"443"', "a port number from 1 to 65535; it is written as text"),
    ),
    (
        "port out of range",
        [(SWITCHES, "switch_port: 22", "switch_port: 70000")],
        (("sw1",), "switch_port", "70000", "a port number from 1 to 65535"),
    ),
    (
        "number where a text belongs",
        [(HOSTS, "2102314EXAMPLE000002", "2102314000002")],
        (("node2",), "asset_serial", "2102314000002", "in quotes"),
    ),
    (
        "unknown key with the nearest known one",
        [(SERVERS, "bmc_port: 443", "bmc_prot: 443")],
        (("node1", "node2", "node3"), "bmc_prot", "443", "did you mean bmc_port?"),
    ),
    (
        "unknown Ansible variable",
        [(SERVERS, "ansible_user: deploy", "ansible_uesr: deploy")],
        (("node1", "node2", "node3"), "ansible_uesr", "deploy", "did you mean ansible_user?"),
    ),
    (
        "unknown key of the site",
        [(SITE, "site_report_language: zh", "site_report_langauge: zh")],
        (("all",), "site_report_langauge", "zh", "did you mean site_report_language?"),
    ),
    (
        "unknown key of a network",
        [(SITE, "gateway: 10.20.1.1", "gateway: 10.20.1.1\n    vlna: 12")],
        (("all",), "site_networks.bmc.vlna", "12", "did you mean vlan?"),
    ),
    (
        "key of another group",
        [(HOSTS, "bmc_address: 10.20.1.12", "bmc_address: 10.20.1.12\n          switch_port: 22")],
        (("node2",), "switch_port", "22", "it belongs to switches"),
    ),
    (
        "key of the site at a host",
        [(HOSTS, "bmc_address: 10.20.1.12", "bmc_address: 10.20.1.12\n          site_report_language: en")],
        (("node2",), "site_report_language", "en", "it belongs in group_vars/all"),
    ),
    (
        "missing key",
        [(SERVERS, "bmc_user: npuforge\n", "")],
        (("node1", "node2", "node3"), "bmc_user", "(missing)", "a user name"),
    ),
    (
        "rack position without rack",
        [(HOSTS, "rack: R01\n          rack_position: 16", "rack_position: 16")],
        (("node2",), "rack", "(missing)", "as rack_position is given"),
    ),
    (
        "missing secret",
        [(SERVERS, "{{ vault_bmc_password }}", "{{ vault_bmc_pasword }}")],
        (
            ("node1", "node2", "node3"),
            "bmc_password",
            "vault_bmc_pasword is not defined",
            "did you mean vault_bmc_password?",
        ),
    ),
    (
        "no password at all",
        [(SERVERS, 'bmc_password: "{{ vault_bmc_password }}"\n', "")],
        (("node1", "node2", "node3"), "bmc_password", "(missing secret)", "a secret from the vault"),
    ),
    (
        "plain text secret",
        [(SWITCHES, "{{ vault_switch_password }}", "Plain-Text-99")],
        (("switches",), "switch_password", "(secret, not shown)", "no secret in plain text"),
    ),
    (
        "plain text secret hidden in a template",
        [(SWITCHES, "{{ vault_switch_password }}", "{{ vault_switch_password | default('Plain-Text-99') }}")],
        (("switches",), "switch_password", "(secret, not shown)", "no secret in plain text"),
    ),
    (
        "rack position taken",
        [(HOSTS, "rack_position: 16", "rack_position: 10"), ("survey.yml", "    unit: 16\n", "    unit: 10\n")],
        (("node2",), "rack_position", "10", "a free place: node1 fills unit 10 of rack R01"),
    ),
    (
        "another place in the survey",
        [(HOSTS, "rack_position: 16", "rack_position: 20")],
        (("node2",), "rack_position", "20", "16, as the survey file has it"),
    ),
    (
        "rack that the survey does not know",
        [(HOSTS, "rack: R02\n          rack_position: 38", "rack: R20\n          rack_position: 38")],
        (("sw1",), "rack", "R20", "a rack of the survey file"),
    ),
    (
        "survey of another site",
        [("survey.yml", "site: example-hospital", "site: other-hospital")],
        (("all",), "site_name", "example-hospital", "the site of the survey file, other-hospital"),
    ),
    (
        "mistake in the survey file",
        [("survey.yml", "grounding_ohm:", "grounding_omh:")],
        (("all",), "site_survey_file", "survey.yml, room.grounding_omh", "unknown key, did you mean 'grounding_ohm'"),
    ),
    (
        "mistake in the cabling file",
        [("cabling.yml", "cables:", "cabels: []\ncables:")],
        (("all",), "site_cabling_file", "cabling.yml", "unknown key, did you mean 'cables'"),
    ),
    (
        "unknown profile",
        [(SERVERS, "npu_profile: atlas_800t_a2", "npu_profile: atlas_800t_a3")],
        (("node1", "node2", "node3"), "npu_profile", "atlas_800t_a3", "did you mean atlas_800t_a2?"),
    ),
    (
        "expectation that no profile knows",
        [(SITE, "site_expect: {}", "site_expect: {drive_cuont: 10}")],
        (("all",), "site_expect.drive_cuont", "10", "did you mean drive_count?"),
    ),
    (
        "expectation of the wrong type, for one host",
        [(SITE, "site_expect: {}", 'site_expect: {hosts: {node3: {dimm_count: "16"}}}')],
        (("all",), "site_expect.hosts.node3.dimm_count", '"16"', "a number; it is written as text"),
    ),
    (
        "expectation for a host that is none",
        [(SITE, "site_expect: {}", "site_expect: {hosts: {node33: {dimm_count: 16}}}")],
        (("all",), "site_expect.hosts.node33", "node33", "did you mean node3?"),
    ),
    (
        "CA file that is not there",
        [(SERVERS, "pki/bmc-ca.pem", "pki/bmc.pem")],
        (("node1", "node2", "node3"), "bmc_ca_file", "pki/bmc.pem", "it does not exist"),
    ),
    (
        "CA file without certificate",
        [(SERVERS, "pki/bmc-ca.pem", "known_hosts")],
        (("node1", "node2", "node3"), "bmc_ca_file", "known_hosts", "it holds no certificate"),
    ),
    (
        "relative path",
        [(SERVERS, "{{ inventory_dir }}/ssh/id_ed25519", "ssh/id_ed25519")],
        (("node1", "node2", "node3"), "ansible_ssh_private_key_file", "ssh/id_ed25519", "the path is relative"),
    ),
    (
        "two ways of trust",
        [(HOSTS, "bmc_address: 10.20.1.12", f"bmc_address: 10.20.1.12\n          bmc_fingerprint: {'ab' * 32}")],
        (("node2",), "bmc_fingerprint", "ab", "only one of bmc_ca_file, bmc_fingerprint"),
    ),
    (
        "template that cannot be resolved",
        [(HOSTS, "bmc_address: 10.20.1.12", 'bmc_address: "{{ local_bmc_net }}.12"')],
        (("node2",), "bmc_address", "local_bmc_net is not defined", "a variable local_bmc_net that is defined"),
    ),
    (
        "survey file that is not there",
        [(SITE, "site_survey_file: survey.yml", "site_survey_file: surveys.yml")],
        (("all",), "site_survey_file", "surveys.yml", "it does not exist"),
    ),
    (
        "address with port",
        [(HOSTS, "bmc_address: 10.20.1.12", 'bmc_address: "10.20.1.12:443"')],
        (("node2",), "bmc_address", "10.20.1.12:443", "the port has its own key"),
    ),
    (
        "URL as address",
        [(HOSTS, "bmc_address: 10.20.1.12", "bmc_address: https://10.20.1.12/")],
        (("node2",), "bmc_address", "https://10.20.1.12/", "an address without 'https://'"),
    ),
    (
        "impossible address",
        [(HOSTS, "bmc_address: 10.20.1.12", "bmc_address: 10.20.1.312")],
        (("node2",), "bmc_address", "10.20.1.312", "an IPv4 or IPv6 address or a host name"),
    ),
    (
        "unknown key of a group",
        [(HOSTS, "    switches:\n      hosts:", "    switches:\n      vras: {}\n      hosts:")],
        (("switches",), "vras", "unknown key of a group", "did you mean vars?"),
    ),
    (
        "host in no group",
        [(HOSTS, "all:\n", "all:\n  hosts:\n    stray:\n      ansible_host: 10.20.0.99\n")],
        (("stray",), "groups", "in no known group", "exactly one of npu_servers and switches"),
    ),
    (
        "empty group",
        [(HOSTS, "    switches:\n", "    spare:\n      hosts:\n    switches:\n")],
        ((), "group spare", "no hosts", "at least one host"),
    ),
    (
        "key written twice",
        [(HOSTS, "bmc_address: 10.20.1.12", "bmc_address: 10.20.1.12\n          bmc_address: 10.20.1.12")],
        (("node2",), "bmc_address", "written twice", "silently overridden"),
    ),
    (
        "NPU network overlaps another",
        [storage("10.30.2.0/24")],
        (("all",), "site_fabric.subnet", "10.30.0.0/22", PLAN + "10.30.0.0/22 overlaps site_networks.storage"),
    ),
    (
        "priority chain that contradicts itself",
        [fabric("qos: {traffic_class: 160, service_level: 5, priority: 4, queue: 4}")],
        (("all",), "site_fabric.qos.service_level", "5", PLAN + "is 5, but the PFC priority is 4"),
    ),
    (
        "ECN limit below xoff and headroom",
        [fabric("ecn: {low_limit_bytes: 204800}")],
        (("all",), "site_fabric.ecn.low_limit_bytes", "204800", "are not below the ECN low limit 204800"),
    ),
    (
        "unknown key of the NPU network",
        [fabric("qos: {traffic_clas: 160}")],
        (("all",), "site_fabric.qos.traffic_clas", "160", "did you mean traffic_class?"),
    ),
    (
        "NPU network's value of the wrong type",
        [fabric("link: {mtu_bytes: large}")],
        (("all",), "site_fabric.link.mtu_bytes", "large", "an MTU in bytes from 68 to 9702"),
    ),
    (
        "no room in the NPU network",
        [(SITE, "subnet: 10.30.0.0/22", "subnet: 10.30.0.0/27")],
        (("node3",), "site_fabric", "first_address", "node3/NPU5 and 3 more: no address is left for it"),
    ),
    (
        "NPU port without a cable",
        [("cabling.yml", "side_a_name: NPU3, side_b_device: sw1", "side_a_name: NIC7-P1, side_b_device: sw1")],
        (("node1",), "site_cabling_file", "cabling.yml", PLAN + "node1/NPU3: the cabling table has no cable"),
    ),
    (
        "place in the address plan taken",
        [("host_vars/node1.yml", "fabric_index: 1", "fabric_index: 2")],
        (("node2",), "fabric_index", "(missing)", "its place in the address plan, 2, is node1's, too"),
    ),
    (
        "switch of an unknown model",
        [(SWITCHES, "# switch_model: CE9855-32DQ", "switch_model: QFX5220-32CD")],
        (("sw1",), "switch_model", "QFX5220-32CD", "is of no known family"),
    ),
    (
        "permission for a switch that is none",
        [(SWITCHES, "switch_roce_commit_to: []", "switch_roce_commit_to: [ws1]")],
        (("sw1",), "switch_roce_commit_to[0]", "ws1", "did you mean sw1?"),
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_mistake(
    site: Path, changes: list[tuple[str, str, str]], expected: tuple[tuple[str, ...], str, str, str]
) -> None:
    for file, before, after in changes:
        edit(site / file, (before, after))
    report = validate(site)
    hosts, key, value, sentence = expected
    text = "\n".join(report.lines())
    found = [mistake for mistake in report.mistakes if mistake.key == key and mistake.hosts == hosts]
    assert any(value in mistake.value and sentence in mistake.expected for mistake in found), text
    assert len(report.mistakes) == 1, f"one change, one mistake:\n{text}"
    assert "Plain-Text-99" not in text and not any(secret in text for secret in SECRETS.values())


def test_all_mistakes_are_reported_at_once(site: Path) -> None:
    """The changes of twenty cases that do not touch one another, in one inventory: every one of them is found."""
    names = """duplicate serial number|overlapping subnets|address outside its subnet|text where a number belongs
        |port out of range|unknown Ansible variable|unknown key of the site|missing key|plain text secret|relative path
        |unknown profile|expectation that no profile knows|CA file that is not there|survey file that is not there
        |host in no group|empty group|unknown key of a group|gateway is a host|missing secret|rack position taken"""
    chosen = [case for case in CASES if case[0] in [name.strip() for name in names.split("|")]]
    assert len(chosen) == 20
    for _, changes, _ in chosen:
        for file, before, after in changes:
            edit(site / file, (before, after))
    report = validate(site)
    text = "\n".join(report.lines())
    for name, _, (hosts, key, value, sentence) in chosen:
        assert any(
            mistake.hosts == hosts and mistake.key == key and value in mistake.value and sentence in mistake.expected
            for mistake in report.mistakes
        ), f"{name} is missing in:\n{text}"
    assert json.loads(json.dumps(report.as_dict()))["mistakes"][0]["expected"]


@pytest.mark.parametrize(
    ("waiver", "key", "sentence"),
    [
        (
            "check: hardware.no_such, subject: node3, reason: spare part ordered, by: IT, until: 2027-01-31",
            "check",
            "clauses.yml",
        ),
        (
            "check: {check}, subject: node3, reason: spare part ordered, by: IT, until: 2026-11-23",
            "until",
            "still to come",
        ),
        (
            "check: {check}, subject: node3, reason: spare part ordered, by: IT, until: next week",
            "until",
            "a day as 2027",
        ),
        ("check: {check}, subject: node3, reason: spare part ordered, until: 2027-01-31", "by", "who granted it"),
        ("check: {check}, subject: node3, reason: ok, by: IT, until: 2027-01-31", "reason", "in words"),
    ],
)
def test_waivers(site: Path, waiver: str, key: str, sentence: str) -> None:
    check = next(iter(check_ids()))
    edit(site / SITE, ("site_waivers: []", "site_waivers: [{" + waiver.replace("{check}", check) + "}]"))
    (mistake,) = validate(site).mistakes
    assert mistake.key == f"site_waivers[0].{key}" and sentence in mistake.expected


def test_a_waiver_on_its_last_day_is_no_mistake(site: Path) -> None:
    check = next(iter(check_ids()))
    waiver = f"{{check: {check}, subject: node3, reason: spare part ordered, by: IT, until: 2026-11-24}}"
    edit(site / SITE, ("site_waivers: []", f"site_waivers: [{waiver}]"))
    assert validate(site).ok


def check_ids() -> list[str]:
    from controller import contract

    return [check["id"] for _, check in contract.load().checks()]


@pytest.mark.parametrize(
    "secret", ["CHANGE_ME", "changeme", "<password>", "请修改", "xxxxxxxx", "password", "ab1", "  "]
)
def test_a_secret_that_is_none_is_refused(tmp_path: Path, secret: str) -> None:
    site = make_site(tmp_path, {**SECRETS, "vault_switch_password": secret})
    report = validate(site)
    assert [mistake.key for mistake in report.mistakes] == ["vault_switch_password", "switch_password"]
    assert all(mistake.value == "(secret, not shown)" for mistake in report.mistakes)


def test_inline_vaulted_secrets_are_read(site: Path) -> None:
    block = "!vault |\n" + "".join(f"    {line}\n" for line in encrypt("Inline-Secret-7").splitlines())
    edit(site / SWITCHES, ('"{{ vault_switch_password }}"\n', block))
    assert validate(site).ok
    text = "\n".join(validate_inventory([str(site)], vault_secrets(b"another password"), TODAY).lines())
    assert "switch_password" in text and "Inline-Secret-7" not in text


def test_a_wrong_vault_password_is_one_clear_mistake_among_the_others(site: Path) -> None:
    edit(site / HOSTS, ("bmc_address: 10.20.1.12", "bmc_address: 10.20.9.12"))
    report = validate_inventory([str(site)], vault_secrets(b"another password"), TODAY)
    text = "\n".join(report.lines())
    assert "vault.yml" in text and "vault password opens" in text
    assert "10.20.9.12" in text
    assert "vault_bmc_password is not defined" in text


def test_a_broken_file_does_not_hide_the_other_mistakes(site: Path) -> None:
    edit(site / HOSTS, ("bmc_address: 10.20.1.12", "bmc_address: 10.20.9.12"))
    (site / "group_vars/switches.yml").write_text("switch_os: [unclosed\n", encoding="utf-8")
    report = validate(site)
    broken = [mistake for mistake in report.mistakes if mistake.expected == "a YAML file"]
    assert len(broken) == 1 and broken[0].place is not None and broken[0].place.line == 2
    assert any(mistake.value == '"10.20.9.12"' for mistake in report.mistakes)


@pytest.mark.parametrize(
    "content", ["", "[]", "- 1", "all: 3", "all:\n  children: []\n", "%%%", "\x00", "all:\n  hosts: {n: 5}\n"]
)
def test_any_hosts_file_gives_a_report_not_a_traceback(site: Path, content: str) -> None:
    (site / "hosts.yml").write_text(content, encoding="utf-8")
    assert not validate(site).ok


def test_an_inventory_that_is_not_there(tmp_path: Path) -> None:
    report = validate_inventory([str(tmp_path / "nowhere")], vault_secrets(), TODAY)
    assert "an inventory file or folder that exists" in [mistake.expected for mistake in report.mistakes]


def test_an_editors_copy_with_secrets_is_found(site: Path) -> None:
    (site / "group_vars/all/vault.yml.bak").write_text("vault_bmc_password: Left-Behind-1\n", encoding="utf-8")
    report = validate(site)
    assert [mistake.key for mistake in report.mistakes] == ["vault_bmc_password"]
    assert "Left-Behind-1" not in "\n".join(report.lines())


def test_an_ini_inventory_is_read_and_its_plain_secret_found(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(
        "[npu_servers]\nn1 ansible_host=10.0.0.1 bmc_address=10.0.0.1 bmc_password=Ini-Secret-5 bmc_user=a "
        "npu_profile=atlas_800t_a2 bmc_validate_certs=False\n",
        encoding="utf-8",
    )
    report = validate_inventory([str(tmp_path / "hosts")], vault_secrets(), TODAY)
    text = "\n".join(report.lines())
    assert "no secret in plain text" in text and "Ini-Secret-5" not in text and "equals its own ansible_host" in text
    assert [note.key for note in report.notes] == ["bmc_validate_certs", "site_ntp_servers"]


def test_lines_of_the_files_are_named(site: Path) -> None:
    edit(site / HOSTS, ("bmc_address: 10.20.1.12", "bmc_address: 10.20.9.12"))
    (mistake,) = validate(site).mistakes
    assert mistake.place is not None
    line = (site / HOSTS).read_text(encoding="utf-8").splitlines()[mistake.place.line - 1]
    assert "bmc_address: 10.20.9.12" in line


def test_every_line_of_hosts_may_be_missing(site: Path) -> None:
    """Losing any one line gives a report, never an exception; losing a line that says something gives a mistake."""
    lines = (site / HOSTS).read_text(encoding="utf-8").splitlines(keepends=True)
    optional = ("---", "asset_serial", "rack_units", "rack_position", "rack:")
    for number, line in enumerate(lines):
        if line.strip().startswith("#"):
            continue
        (site / HOSTS).write_text("".join(lines[:number] + lines[number + 1 :]), encoding="utf-8")
        report = validate(site)
        if not line.strip().startswith(optional) and line.strip() not in ("node3:", "sw1:", "switches:"):
            assert not report.ok, f"without line {number + 1}: {line!r}"
