"""A BMC that is dead, slow, lying or refusing, over real HTTPS on loopback: a clear reason, in bounded time."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bmc_helpers import PASSWORD, SYSTEM, Documents, Handler, Server, fingerprint, make_certificate, sample, serving
from npuforge.bmc.client import Client
from npuforge.bmc.read import Job, read, read_many
from npuforge.bmc.wire import Limits

DIMM = "/redfish/v1/Systems/1/Memory/mainboardDIMM000"
QUICK = Limits(timeout=1.0, deadline=6.0, pool=4, retry_after=0.3)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(sample("openubmc")) as running:
        yield running


def facts_of(server: Server, limits: Limits = QUICK, **changes: Any) -> Any:
    result = read(Job("node1", server.target(**changes), limits, ipmi="never"))
    assert PASSWORD not in json.dumps(result)
    assert server.tokens == set(), "the session was left open"
    return result["observation"]["facts"]


def why(facts: Any) -> str:
    return "; ".join(note["problem"] for note in facts["notes"])


def refused(facts: Any) -> str:
    assert facts["reachable"] is False
    assert facts["cpu"] is None
    assert facts["identity"] is None
    assert [note["where"] for note in facts["notes"]][:1] == ["reachable"]
    return why(facts)


# One resource goes wrong: that member is unknown, the rest is read ------------------------------------------------


def html(handler: Handler) -> bool:
    handler.reply(200, b"<html><body>Login</body></html>")
    return True


def truncated(handler: Handler) -> bool:
    handler.reply(200, b'{"@odata.id": "/redfish/v1/Sys')
    return True


def null(handler: Handler) -> bool:
    handler.reply(200, b"null")
    return True


def error_body(handler: Handler) -> bool:
    handler.reply(200, {"error": {"@Message.ExtendedInfo": [{"Message": "The resource is being initialised."}]}})
    return True


def cut_off(handler: Handler) -> bool:
    """A Content-Length that is not kept."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"Id": "x"}')
    handler.close_connection = True
    return True


def huge(handler: Handler) -> bool:
    """50 MB are announced."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(50_000_000))
    handler.end_headers()
    handler.wfile.write(b" " * 100_000)
    handler.close_connection = True
    return True


def huge_unannounced(handler: Handler) -> bool:
    """50 MB in chunks."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    block = b"%x\r\n" % 1_000_000 + b" " * 1_000_000 + b"\r\n"
    for _ in range(50):
        handler.wfile.write(block)
    handler.wfile.write(b"0\r\n\r\n")
    return True


def deep(handler: Handler) -> bool:
    handler.reply(200, b"[" * 200_000)
    return True


def drip(handler: Handler) -> bool:
    """One byte now and then: each read succeeds, the whole never does."""
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    for _ in range(60):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)
    return True


def drip_of_headers(handler: Handler) -> bool:
    for character in "HTTP/1.1 200 OK\r\nX-Slow: " + 60 * "z":
        handler.wfile.write(character.encode())
        handler.wfile.flush()
        time.sleep(0.1)
    return True


def elsewhere(handler: Handler) -> bool:
    handler.reply(302, None, {"Location": "https://192.0.2.1/steal"})
    return True


def other_port(handler: Handler) -> bool:
    handler.reply(307, None, {"Location": f"https://127.0.0.1:{handler.server.server_address[1] + 1}/redfish/v1"})
    return True


def plain_http(handler: Handler) -> bool:
    handler.reply(302, None, {"Location": f"http://127.0.0.1:{handler.server.server_address[1]}{DIMM}"})
    return True


def in_a_circle(handler: Handler) -> bool:
    handler.reply(302, None, {"Location": DIMM})
    return True


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (html, "HTML instead of JSON"),
        (truncated, "truncated or broken text instead of JSON"),
        (null, "null instead of a JSON object"),
        (error_body, "an error in the body: The resource is being initialised."),
        (cut_off, "the answer ended early"),
        (huge, "body of 50000000 bytes refused"),
        (huge_unannounced, "body longer than 8388608 bytes refused"),
        (deep, "truncated or broken text instead of JSON"),
        (drip, "no complete answer within 1"),
        (drip_of_headers, "no complete answer within 1"),
        (elsewhere, "redirect from /redfish/v1/Systems/1/Memory/mainboardDIMM000 to https://192.0.2.1 refused"),
        (other_port, "refused"),
        (plain_http, "refused"),
        (in_a_circle, "too many redirects"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_one_bad_answer_costs_one_member(server: Server, answer: Any, reason: str) -> None:
    server.special[DIMM] = answer
    started = time.monotonic()
    facts = facts_of(server)
    assert time.monotonic() - started < 6
    assert facts["reachable"] is True
    assert facts["memory"]["present_count"] is None
    assert [part["slot"] for part in facts["memory"]["parts"]] == ["DIMM010"]
    assert facts["cpu"]["present_count"] == 2
    told = [note["problem"] for note in facts["notes"] if "mainboardDIMM000 could not be read" in note["problem"]]
    assert len(told) == 1
    assert reason in told[0]


def test_a_redirect_on_the_same_host_is_followed(server: Server) -> None:
    moved = f"{SYSTEM}/moved"
    server.documents[moved] = server.documents.pop(DIMM.lower())
    server.special[DIMM] = lambda handler: handler.reply(308, None, {"Location": moved}) is None
    assert facts_of(server)["memory"]["present_count"] == 2


# Busy -------------------------------------------------------------------------------------------------------------


def busy(times: int, after: str | None, status: int = 503) -> Any:
    left = [times]
    lock = threading.Lock()

    def answer(handler: Handler) -> bool:
        with lock:
            left[0] -= 1
            if left[0] < 0:
                return False
        handler.body()
        handler.reply(status, None, {"Retry-After": after} if after else {})
        return True

    return answer


@pytest.mark.parametrize("status", [503, 429])
def test_three_busy_answers_are_waited_out(server: Server, status: int) -> None:
    server.special["*"] = busy(3, "0", status)
    facts = facts_of(server)
    assert facts["reachable"] is True
    assert facts["notes"] == []


def test_a_bmc_that_stays_busy_is_given_up(server: Server) -> None:
    server.special["*"] = busy(10_000, "3600")
    started = time.monotonic()
    assert "HTTP 503" in refused(facts_of(server))
    assert time.monotonic() - started < 5


def test_a_connection_that_is_reset_once_is_tried_again(server: Server) -> None:
    left = [1]

    def reset(handler: Handler) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        handler.connection.close()
        handler.close_connection = True
        return True

    server.special[DIMM] = reset
    assert facts_of(server)["memory"]["present_count"] == 2


# Dead, slow, refusing ---------------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        port = spare.getsockname()[1]
    with serving({}) as server:
        target = server.target()._replace(port=port)
        facts = read(Job("node1", target, QUICK))["observation"]["facts"]
    assert refused(facts) == "connection refused"


def test_it_accepts_and_says_nothing(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(4)
        with serving({}) as server:
            target = server.target()._replace(port=silent.getsockname()[1])
            started = time.monotonic()
            facts = read(Job("node1", target, QUICK))["observation"]["facts"]
    assert time.monotonic() - started < 5
    assert "within 1 s" in refused(facts) or "timed out" in refused(facts)


def test_a_slow_bmc_is_read_as_far_as_its_deadline_goes(server: Server) -> None:
    def slow(handler: Handler) -> bool:
        time.sleep(0.4)
        return False

    server.special["*"] = slow
    started = time.monotonic()
    facts = facts_of(server, Limits(timeout=3.0, deadline=3.0, pool=2))
    assert time.monotonic() - started < 6
    assert facts["reachable"] is True
    assert facts["identity"]["serial"] == "SAMPLE0000000001"
    assert facts["memory"] is None or facts["memory"]["present_count"] is None
    assert "the deadline of 3 s was over" in why(facts)


def test_a_wrong_password_is_tried_once(server: Server) -> None:
    facts = facts_of(server, password="not-the-one")
    assert refused(facts) == "BMC refused the password of user reader (HTTP 401)"
    assert len(server.paths("POST")) == 1
    assert server.paths("GET") == ["/redfish/v1"]


def test_without_a_session_service_basic_authentication_is_used(server: Server) -> None:
    server.sessions = False
    facts = facts_of(server)
    assert facts["reachable"] is True
    assert facts["notes"] == []
    assert server.paths("DELETE") == []


def test_the_session_is_closed_even_when_reading_fails(server: Server) -> None:
    with pytest.raises(ZeroDivisionError), Client(server.target(), QUICK) as client:
        assert client.login()["RedfishVersion"] == "1.15.0"
        assert len(server.tokens) == 1
        raise ZeroDivisionError
    assert server.tokens == set()


def test_a_null_service_root_has_the_usual_places(server: Server) -> None:
    server.special["/redfish/v1"] = null
    facts = facts_of(server)
    assert facts["reachable"] is True
    assert facts["cpu"]["present_count"] == 2


def test_a_lying_systems_collection_makes_it_unusable(server: Server) -> None:
    server.special["/redfish/v1/Systems"] = error_body
    assert "/redfish/v1/Systems: HTTP 200, but an error in the body" in refused(facts_of(server))


# Certificates -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("pki"), days=-30)


def test_an_expired_certificate_is_refused_with_its_date(expired: Path) -> None:
    with serving(sample("ibmc"), expired) as server:
        reason = refused(facts_of(server))
        assert server.seen == []
    assert reason.startswith("certificate expired on 20")


def test_an_expired_certificate_that_is_pinned_is_accepted_and_noted(expired: Path) -> None:
    with serving(sample("ibmc"), expired) as server:
        facts = facts_of(server, ca_file=None, fingerprint=fingerprint(expired))
    assert facts["bmc"]["tls"] == "pinned"
    assert "the certificate expired on" in why(facts)
    assert facts["bmc"]["certificate_not_after"].endswith("Z")


def test_another_certificate_than_the_pinned_gets_no_password(server: Server) -> None:
    assert "is not the pinned one" in refused(facts_of(server, ca_file=None, fingerprint="ab" * 32))
    assert server.seen == []


def test_an_unknown_issuer_gets_no_password(server: Server) -> None:
    assert "certificate not accepted" in refused(facts_of(server, ca_file=None))
    assert server.seen == []


def test_a_certificate_for_another_name_gets_no_password(tmp_path: Path) -> None:
    with serving(sample("ibmc"), make_certificate(tmp_path, name="192.0.2.7")) as server:
        assert "certificate not accepted" in refused(facts_of(server))
        assert server.seen == []


def test_skipping_is_reported(server: Server) -> None:
    assert facts_of(server, ca_file=None, validate_certs=False)["bmc"]["tls"] == "skipped"


def test_a_missing_ca_file_is_a_reason(server: Server) -> None:
    assert "CA file" in refused(facts_of(server, ca_file="/nonexistent/ca.pem"))


# Many -------------------------------------------------------------------------------------------------------------


def test_one_bad_bmc_leaves_the_others_alone(server: Server) -> None:
    good = Job("good", server.target(), QUICK, "never")
    bad = Job("bad", server.target(password="wrong"), QUICK, "never")
    results = read_many([good, bad, good._replace(subject="too")], parallel=3)
    assert [item["observation"]["subject"]["id"] for item in results] == ["good", "bad", "too"]
    assert [item["observation"]["facts"]["reachable"] for item in results] == [True, False, True]


def test_a_fault_of_ours_is_one_observation() -> None:
    def broken(job: Job) -> Documents:
        raise RuntimeError(job.subject)

    with serving({}) as server:
        results = read_many([Job("n1", server.target()), Job("n2", server.target())], 2, broken)
    assert [item["observation"]["facts"]["notes"][0]["problem"] for item in results] == [
        "internal error while reading: RuntimeError",
        "internal error while reading: RuntimeError",
    ]


def test_raw_holds_what_was_read_but_no_secret(server: Server) -> None:
    server.documents["/redfish/v1/managers/1"]["SMTP"] = {"SmtpPassword": "hush", "CommunityNames": ["public"]}
    result = read(Job("node1", server.target(), QUICK, "never"))
    raw = json.loads(result["raw"][0]["text"])
    assert raw["documents"]["/redfish/v1/Managers/1"]["SMTP"]["SmtpPassword"] == ""
    assert {"method": "POST", "uri": "/redfish/v1/SessionService/Sessions"}.items() <= raw["requests"][1].items()
    assert raw["requests"][-1]["method"] == "DELETE" or len(raw["requests"]) > 40
    text = json.dumps(result)
    assert "hush" not in text
    assert "token-" not in text
    assert PASSWORD not in text
