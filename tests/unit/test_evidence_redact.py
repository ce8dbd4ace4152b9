"""No form of a secret gets through, and nothing else is touched."""

from __future__ import annotations

import base64
import html
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.redact import MARK, SHORT, Redactor

NASTY = "S3cr<et\"&p'ä/s\\s+x y"


def basic(user: str, secret: str) -> str:
    return "Authentication failed for " + base64.b64encode(f"{user}:{secret}".encode()).decode()


FORMS = {
    "literal": NASTY,
    "JSON": json.dumps({"x": NASTY}),
    "JSON, not ASCII": json.dumps({"x": NASTY}, ensure_ascii=False),
    "JSON in JSON": json.dumps({"x": json.dumps({"y": NASTY})}),
    "JSON with escaped slashes": json.dumps({"x": NASTY}, ensure_ascii=False).replace("/", "\\/"),
    "URL path": quote(NASTY),
    "URL part": quote(NASTY, safe=""),
    "form": quote_plus(NASTY),
    "XML text": html.escape(NASTY, quote=False),
    "HTML attribute": html.escape(NASTY),
    "Python": repr(NASTY),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_secret_is_found_in_every_form(name: str) -> None:
    clean = Redactor([NASTY]).text(f"before {FORMS[name]} after")
    assert MARK in clean
    assert "S3cr" not in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")


@pytest.mark.parametrize("user", ["u", "us", "use", "npuforge", ""])
def test_base64_of_user_and_password_is_found_at_every_alignment(user: str) -> None:
    secret = "Tr0ub4dor&3-lab"
    assert MARK in Redactor([secret]).text(basic(user, secret))
    encoded = base64.urlsafe_b64encode(f"{user}{secret}??>>".encode()).decode()
    assert MARK in Redactor([f"{secret}??>>"]).text(encoded)


@settings(deadline=None)  # the machine may be busy
@given(st.text(min_size=SHORT, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_literal_secret_never_survives(secret: str, before: str, after: str) -> None:
    if not secret.strip() or secret in MARK:
        return
    clean = Redactor([secret]).text(before + secret + after)
    assert secret not in clean.replace(MARK, "\0")


@settings(deadline=None)  # the machine may be busy
@given(st.text(min_size=SHORT, max_size=30))
def test_a_secret_never_survives_in_a_json_document(secret: str) -> None:
    if not secret.strip() or secret in json.dumps({"deep": [{"er": MARK}], MARK: 1}):
        return
    document = Redactor([secret]).document({"deep": [{"er": f"x{secret}"}], secret: 1})
    assert secret not in json.dumps(document, ensure_ascii=False).replace(MARK, "\0")


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet="abcdefghij \n{}:,0123456789", max_size=200))
def test_text_without_secrets_is_left_alone_and_redaction_is_idempotent(text: str) -> None:
    redactor = Redactor(["Pl4nted-secret"])
    assert redactor.text(text) == text
    spiked = redactor.text(text + 'Pl4nted-secret {"token": "x"}')
    assert redactor.text(spiked) == spiked


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200))
def test_bytes_that_are_no_text_come_through_unharmed(data: bytes) -> None:
    assert Redactor(["Pl4nted-secret"]).data(data + b"\xff") == data + b"\xff" or b"=" in data or b":" in data


def test_a_short_secret_is_replaced_as_a_word_only() -> None:
    redactor = Redactor(["b"])
    assert redactor.text("Enabled b, bb") == f"Enabled {MARK}, bb"


@pytest.mark.parametrize("nothing", [None, "", "   "])
def test_an_empty_secret_redacts_nothing(nothing: Any) -> None:
    assert Redactor([nothing]).text("a  b None") == "a  b None"


KEYED = [
    ('{"Password": "hunter2", "UserName": "root"}', "hunter2"),
    ('{"password":"hun\\"ter2"}', "ter2"),
    ('{"AuthToken" : "abc123"}', "abc123"),
    ('{"Password": "cut short in the midd', "midd"),
    ('"{\\"Password\\": \\"hunter2\\", \\"a\\": 1}"', "hunter2"),
    ("X-Auth-Token: abc123\r\nServer: x", "abc123"),
    ("< Authorization: Basic abc123", "abc123"),
    ("Set-Cookie: SESSION=abc123; Secure", "abc123"),
    ("https://host/login?user=a&password=hunter2&x=1", "hunter2"),
    ("IPMI_PASSWORD=hunter2 ipmitool", "hunter2"),
    ("--api-key=hunter2", "hunter2"),
    ("https://root:hunter2@10.0.0.1/redfish", "hunter2"),
]


@pytest.mark.parametrize(("text", "secret"), KEYED)
def test_a_value_under_a_telling_key_is_a_secret(text: str, secret: str) -> None:
    clean = Redactor().text(text)
    assert secret not in clean
    assert MARK in clean


def test_prose_and_structure_around_telling_keys_stay() -> None:
    redactor = Redactor()
    for text in (
        '{"PasswordExpiration": null, "MinPasswordLength": 8}',
        "the password was rejected",
        '{"Tokens": 5}',
        "Authorization required",
    ):
        assert redactor.text(text) == text


def test_documents() -> None:
    document = {
        "Password": "x1",
        "nested": [{"X-Auth-Token": "x2", "sessionKey": "x3", "vault_bmc_password": 4711}],
        "PasswordExpiration": None,
        "password": {"length": 8},
        "token": True,
        "number": 1.5,
    }
    clean = Redactor().document(document)
    assert clean == {
        "Password": MARK,
        "nested": [{"X-Auth-Token": MARK, "sessionKey": MARK, "vault_bmc_password": MARK}],
        "PasswordExpiration": None,
        "password": {"length": 8},
        "token": True,
        "number": 1.5,
    }
    assert Redactor().document(clean) == clean
