"""Looks at the node itself, and knows nothing of our modules."""

import json


def test_record_names_the_node_and_its_place(host):
    record = json.loads(host.file("/etc/npuforge/identity.json").content_string)
    assert record["name"] == host.run("hostname -s").stdout.strip()
    assert record["rack"]
    assert isinstance(record["rack_position"], int)


def test_record_is_owned_by_root_and_not_writable_by_others(host):
    record = host.file("/etc/npuforge/identity.json")
    assert (record.user, record.group, record.mode) == ("root", "root", 0o644)


def test_console_banner_shows_name_and_bmc(host):
    record = json.loads(host.file("/etc/npuforge/identity.json").content_string)
    banner = host.file("/etc/issue.d/npuforge.issue").content_string
    assert record["name"] in banner
    assert record["bmc_address"] in banner


def test_no_temporary_file_is_left(host):
    assert set(host.run("ls -A /etc/npuforge").stdout.split()) <= {"identity.json", "hccl.env"}
