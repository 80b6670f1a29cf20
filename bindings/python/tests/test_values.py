"""How values print, compare and hash."""

from __future__ import annotations

from datetime import timedelta

import wa
from wa._native import wa as native


def test_values_show_their_fields_and_no_secrets() -> None:
    key = wa.MessageKey(chat="1@s.whatsapp.net", id="X", from_me=True)
    assert repr(key) == "MessageKey(chat='1@s.whatsapp.net', id='X', from_me=True, sender=None)"
    code = wa.Event.PAIRING_CODE(code="ABCD-EFGH", expires_in=timedelta(seconds=9))
    assert str(code) == repr(code) == "Event.PAIRING_CODE(code=..., expires_in=datetime.timedelta(seconds=9))"
    assert "secret" not in f"{wa.Event.PAIRING_QR(text='secret', expires_in=timedelta())}"


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
