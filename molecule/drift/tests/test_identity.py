"""After the repair the node is as if nobody had touched it."""

import json


def test_record_is_whole_again(host):
    record = json.loads(host.file("/etc/npuforge/identity.json").content_string)
    assert record["name"] == host.run("hostname -s").stdout.strip()
    assert host.file("/etc/npuforge/identity.json").mode == 0o644


def test_banner_is_back(host):
    assert host.file("/etc/issue.d/npuforge.issue").exists
