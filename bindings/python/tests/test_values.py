"""How values print, compare, hash and are copied, and which of them calls take."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from traceback import format_exception_only
from typing import Any

import pytest
import wa
from wa._native import wa as native
from wa.streams import number_of

NOON = datetime(2030, 5, 1, 12, tzinfo=timezone.utc)


def test_values_show_their_fields_and_no_secrets() -> None:
    key = wa.MessageKey(chat="1@s.whatsapp.net", id="X", from_me=True)
    assert repr(key) == "MessageKey(chat='1@s.whatsapp.net', id='X', from_me=True, sender=None)"
    code = wa.Event.PAIRING_CODE(code="ABCD-EFGH", expires_in=timedelta(seconds=9))
    assert str(code) == repr(code) == "Event.PAIRING_CODE(code=..., expires_in=datetime.timedelta(seconds=9))"
    assert "secret" not in f"{wa.Event.PAIRING_QR(text='secret', expires_in=timedelta())}"
    invitation = wa.GroupInvitation(code="secret", expires=NOON)
    assert str(invitation) == repr(invitation) == f"GroupInvitation(code=..., expires={NOON!r})"
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


def test_errors_are_copied_and_pickled() -> None:
    names = [name for name in getattr(wa.errors, "__all__") if name != "WaError"]
    assert names
    for name in names:
        for wait, end in (timedelta(seconds=9), NOON), (None, None):
            error = getattr(wa.errors, name)("a_code", "what happened", wait, end)
            for again in copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error)):
                assert type(again) is type(error) and again is not error
                assert (again.code, again.detail) == ("a_code", "what happened")
                assert (again.retry_after, again.until) == (wait, end)
                assert (str(again), again.args) == (str(error), error.args)


def test_what_no_call_can_take_is_refused() -> None:
    key = wa.MessageKey(chat="1@s.whatsapp.net", id="X", from_me=False)
    naive, surrogate = datetime(2030, 5, 1, 12), "half a pair: \ud83d"
    # Also what type checkers would not let through.
    message: Any = wa.Message

    def invite(expires: object) -> None:
        message.group_invite("120363000000000001@g.us", "CODE", "Crew", expires)

    invite(NOON)
    invite(NOON.astimezone(timezone(timedelta(hours=7))))
    with pytest.raises(ValueError, match="time zone"):
        invite(naive)
    with pytest.raises(TypeError, match="datetime"):
        invite(NOON.date())
    with pytest.raises(ValueError, match="time zone"):
        message.occasion(wa.OccasionOptions(name="Lunch", starts=naive))
    with pytest.raises(ValueError, match="surrogates"):
        message.text(surrogate)
    with pytest.raises(ValueError, match="surrogates"):
        message.poll("What?", ["tea", surrogate])
    with pytest.raises(TypeError, match="str"):
        message.text(b"tea")
    with pytest.raises(TypeError, match="len"):
        message.poll("What?", (option for option in ["tea", "coffee"]))
    with pytest.raises(TypeError, match="bytes"):
        message.decode(bytearray(1))
    with pytest.raises(TypeError, match="bool"):
        message.occasion_answer(key, "perhaps", 1)


def test_durable_events_have_a_number() -> None:
    message = wa.Message.text("hello")
    key = wa.MessageKey(chat="1@s.whatsapp.net", id="X", from_me=False)
    received = wa.MessageReceived(
        number=7,
        key=key,
        chat=key.chat,
        chat_kind=wa.ChatKind.DIRECT,
        sender=key.chat,
        sender_alt=None,
        from_me=False,
        id=key.id,
        timestamp=NOON,
        push_name=None,
        is_backlog=False,
        content=message.content(),
        text="hello",
        quoted=None,
        mentions=[],
        message=message,
    )
    durable: list[Any] = [
        wa.Event.MESSAGE(message=received),
        wa.Event.OPENED(message=received),
        wa.Event.OWN_DEVICE(message=received),
        wa.Event.MESSAGE_LOST(number=7, key=key, timestamp=NOON, reason="unreadable"),
        wa.Event.UNDECODABLE(number=7, key=key, bytes=b""),
        wa.Event.CHATS_MERGED(number=7, kept=key.chat, gone="2@lid"),
        wa.Event.UNKNOWN(number=7, kind="x", debug=""),
    ]
    assert [number_of(event) for event in durable] == [7] * len(durable)
    # There are no others.
    variants = {kind for kind in vars(wa.Event).values() if isinstance(kind, type)}
    numbered = {kind for kind in variants if {"message", "number"} & set(inspect.signature(kind).parameters)}
    assert numbered == {type(event) for event in durable}
    once: list[Any] = [
        wa.Event.BACKLOG_DONE(count=7),
        wa.Event.UNDECRYPTABLE(key=key, timestamp=NOON, code="unreadable", reason=""),
        wa.Event.HISTORY(progress=None, messages=7, refused=False),
        wa.Event.UNKNOWN(number=None, kind="x", debug=""),
    ]
    assert [number_of(event) for event in once] == [None] * len(once)


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
