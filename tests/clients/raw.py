"""A signed call that can be sent twice: no SDK does that."""

import base64
import hashlib
import hmac
import secrets
import time
import urllib.parse
from datetime import UTC, datetime, timedelta

from service import REGION, AccessKey, Answer, Transire, fetch


def alibaba_query(key: AccessKey, action: str, ahead: timedelta = timedelta(0), **parameters: str) -> str:
    """A call signed by Alibaba's RPC V1, whose signature covers all but the host, and whose nonce is used once."""
    every = {
        "AccessKeyId": key.id,
        "Action": action,
        "Format": "JSON",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": secrets.token_hex(16),
        "SignatureVersion": "1.0",
        "Timestamp": (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Version": "2018-12-01",
        **parameters,
    }
    quoted = lambda text: urllib.parse.quote(text, safe="-_.~")  # noqa: E731
    query = "&".join(f"{quoted(name)}={quoted(value)}" for name, value in sorted(every.items()))
    digest = hmac.new(f"{key.secret}&".encode(), f"GET&%2F&{quoted(query)}".encode(), hashlib.sha1).digest()
    return f"{query}&Signature={quoted(base64.b64encode(digest).decode())}"


def send(transire: Transire, query: str) -> Answer:
    return fetch(f"http://{transire.endpoint}/?{query}")


def tencent_form(key: AccessKey, host: str, action: str, ahead: timedelta = timedelta(0), **parameters: str) -> str:
    """A call for `POST /` signed by Tencent's HmacSHA256, whose signature covers the host, and whose nonce is used once."""
    every = {
        "Action": action,
        "Nonce": str(secrets.randbits(62)),
        "Region": REGION,
        "SecretId": key.id,
        "SignatureMethod": "HmacSHA256",
        "Timestamp": str(int(time.time() + ahead.total_seconds())),
        "Version": "2019-09-24",
        **parameters,
    }
    text = "&".join(f"{name}={value}" for name, value in sorted(every.items()))
    digest = hmac.new(key.secret.encode(), f"POST{host}/?{text}".encode(), hashlib.sha256).digest()
    return urllib.parse.urlencode({**every, "Signature": base64.b64encode(digest).decode()})
