"""A delivery, signed here as the documents say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
import wa

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = b'{"event":"message.received"}'


def signed(at: int) -> dict[str, str]:
    mac = hmac.new(KEY, f"msg_1.{at}.".encode() + BODY, hashlib.sha256).digest()
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": "v1," + base64.b64encode(mac).decode(),
    }


def test_a_delivery_is_checked() -> None:
    now = int(time.time())
    wa.verify_webhook(signed(now), BODY, ["another secret of someone", SECRET])

    def code(headers: dict[str, str], body: bytes, secret: str) -> str:
        with pytest.raises(wa.errors.InvalidError) as refused:
            wa.verify_webhook(headers, body, [secret])
        return refused.value.code

    assert code(signed(now), BODY + b" ", SECRET) == "webhook_signature"
    assert code(signed(now), BODY, "another secret of someone") == "webhook_signature"
    assert code(signed(now - 400), BODY, SECRET) == "webhook_time"
    assert code({}, BODY, SECRET) == "webhook_header"
    assert code(signed(now), BODY, "short") == "invalid_secret"
