"""How values print, compare and hash."""

from __future__ import annotations

import ast
import inspect
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from traceback import format_exception_only
from typing import Any

import pytest
import wa
from wa._native import wa as native


def test_values_show_their_fields_and_no_secrets() -> None:
    key = wa.MessageKey(chat="1@s.whatsapp.net", id="X", from_me=True)
    assert repr(key) == "MessageKey(chat='1@s.whatsapp.net', id='X', from_me=True, sender=None)"
    code = wa.Event.PAIRING_CODE(code="ABCD-EFGH", expires_in=timedelta(seconds=9))
    assert str(code) == repr(code) == "Event.PAIRING_CODE(code=..., expires_in=datetime.timedelta(seconds=9))"
    assert "secret" not in f"{wa.Event.PAIRING_QR(text='secret', expires_in=timedelta())}"
    noon = datetime(2030, 5, 1, 12, tzinfo=timezone.utc)
    invitation = wa.GroupInvitation(code="secret", expires=noon)
    assert str(invitation) == repr(invitation) == f"GroupInvitation(code=..., expires={noon!r})"
    invite = wa.Content.GROUP_INVITE(group="1@g.us", code="secret", name="Crew", expires=None, caption=None)
    shown = "Content.GROUP_INVITE(group='1@g.us', code=..., name='Crew', expires=None, caption=None)"
    assert str(invite) == repr(invite) == shown


def test_no_value_shows_a_secret() -> None:
    """Of whatever the library declares as one."""
    constructors = re.findall(r"def __init__\(self, (.*)\):", inspect.getsource(native))
    declared = sum(arguments.count(":Secret") for arguments in constructors)
    hidden = 0
    kinds: list[Any] = [kind for kind in vars(native).values() if isinstance(kind, type)]
    kinds += [part for kind in kinds for part in vars(kind).values() if isinstance(part, type)]
    for kind in kinds:
        fields = getattr(kind.__init__, "__annotations__", {})
        if secrets := [name for name, annotation in fields.items() if annotation == "Secret"]:
            value = kind.__new__(kind)
            vars(value).update({name: "not for logs" for name in secrets})
            assert "not for logs" not in f"{value!r}{value}", kind
            hidden += len(secrets)
    assert hidden == declared > 0
    signed = wa.PasskeySignature(credential_id=b"not for logs", assertion="not for logs")
    assert repr(signed) == "PasskeySignature(credential_id=..., assertion=...)"


def test_errors_are_named_as_they_are_described() -> None:
    described = ast.parse(Path(wa.__file__).with_name("errors.pyi").read_text())
    classes = {one.name: one for one in described.body if isinstance(one, ast.ClassDef)}
    assert sorted(classes) == sorted(getattr(wa.errors, "__all__"))
    kinds = {name: getattr(wa.errors, name) for name in classes}
    # All that the library has, and with all that is said of them.
    assert set(kinds.values()) - {wa.WaError} == {kind for kind in vars(wa.WaError).values() if isinstance(kind, type)}
    parts = classes["WaError"].body
    methods = [part.name for part in parts if isinstance(part, ast.FunctionDef)]
    fields = [ast.unparse(part.target) for part in parts if isinstance(part, ast.AnnAssign)]
    for name, kind in kinds.items():
        assert (kind.__module__, kind.__qualname__) == ("wa.errors", name)
        if kind is not wa.WaError:
            assert issubclass(kind, wa.WaError)
            assert all(callable(getattr(kind, method)) for method in methods)
            assert list(inspect.signature(kind).parameters) == fields


def test_an_error_says_what_it_is() -> None:
    with pytest.raises(wa.errors.InvalidError) as caught:
        wa.address_of_number("no number")
    error = caught.value
    said = format_exception_only(error)[0]
    assert said == f"wa.errors.InvalidError: {error.detail} ({error.code})\n"
    assert repr(error) == f"InvalidError({str(error)!r})"


def test_values_compare_with_anything_and_hash() -> None:
    key = wa.MessageKey(chat="c", id="X", from_me=True)
    assert key == wa.MessageKey(chat="c", id="X", from_me=True)
    assert key != wa.MessageKey(chat="c", id="Y", from_me=True) and key != "c"
    assert {key: 1}[wa.MessageKey(chat="c", id="X", from_me=True)] == 1
    assert wa.Event.PASSKEY_CODE(code="c", is_asked=True) == wa.Event.PASSKEY_CODE(code="c", is_asked=True)
    assert wa.Event.PASSKEY_CODE(code="c", is_asked=True) != wa.Event.PASSKEY_CODE(code="d", is_asked=True)


def test_all_that_calls_take_and_give_has_a_name() -> None:
    # What a host has no use for: what the package puts something else in the place of.
    own = {"CallbackError", "EventListener", "EventListenerImpl", "LogSink", "LogSinkImpl", "init_logging"}
    own |= {"InternalError", "LogRecord"} | {name for name in native.__all__ if name.endswith("Protocol")}
    assert set(native.__all__) - set(wa.__all__) == own
