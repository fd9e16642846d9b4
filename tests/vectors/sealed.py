"""Makes the secrets of `a_format_change_is_noticed` (src/token/sealed/tests.rs), from what the sources say of the format.

It shares no code with the service, so a mistake there can't hide here. Run by hand, with the package `cryptography`:
python3 tests/vectors/sealed.py
"""

import base64
import hashlib
import hmac
import struct
import zlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

SEALING_KEY = bytes([7] * 32)
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def derive(label):
    return hmac.new(SEALING_KEY, label.encode(), hashlib.sha256).digest()


def drawn(seed, place, length):
    """What `token::testing::Seeded` gives when it is asked for the `place`th time."""
    return hashlib.sha256(struct.pack(">QQ", seed, place)).digest()[:length]


def seal(prefix, seed, payload):
    head = bytes([2]) + derive("transire sealing key: id")[:4]
    nonce = drawn(seed, 0, 12)
    salted = drawn(seed, 1, 16) + payload
    sealed = AESGCMSIV(derive("transire sealing key: seal")).encrypt(nonce, salted, prefix.encode() + head)
    text = prefix + base64.urlsafe_b64encode(head + nonce + sealed).decode().rstrip("=")
    rest, checksum = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        checksum = BASE62[digit] + checksum
    return text + checksum


def integer(number):
    return struct.pack(">q", number)


def short(text):
    return bytes([len(text.encode())]) + text.encode()


def policy(text):
    return b"\x00" if text is None else b"\x01" + struct.pack(">H", len(text.encode())) + text.encode()


def deflate(text):
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(text.encode()) + compressor.flush()


def deflated_policy(text):
    return b"\x02" + struct.pack(">H", len(deflate(text))) + deflate(text)


def stored_policy(text):
    return b"\x03" + hashlib.sha256(text.encode()).digest()


ID = b"0123456789abcdefghij"
TIMES = integer(1_735_787_045_123) + integer(1_735_790_645_123)
ACCOUNT, USER, ROLE = integer(100000000001), integer(100000000002), integer(4611686018427387)
KEY = short("AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE")
POLICY = '{"Version":"1","Statement":[{"Effect":"Allow","Action":"cr:PullRepository","Resource":"*"}]}'

print("TEMPORARY", seal("trst_", 1, ID + b"\x01" + ACCOUNT
    + b"\x02" + b"\x01" + ACCOUNT + integer(3) + b"\x04" + KEY + integer(7)
    + policy(None) + TIMES + b"tcr-demo0001" + b"\x01"))
print("REFRESH", seal("trsr_", 2, ID + b"\x03" + ACCOUNT + ROLE + short("ci-日本")
    + b"\x04" + b"\x01" + ACCOUNT + integer(3) + b"\x03" + ROLE + integer(-1)
    + b"\x02" + USER + integer(2**63 - 1) + b"\x05" + b"vvvvvvvvvv0000000000" + integer(0)
    + policy(POLICY) + TIMES + b"tcr-demo0001" + b"\x02"))
print("SESSION", seal("trss_", 3, ID + b"\x05" + ACCOUNT + USER + short("ci")
    + b"\x03" + b"\x01" + ACCOUNT + integer(3) + b"\x02" + USER + integer(5) + b"\x04" + KEY + integer(7)
    + policy(POLICY) + TIMES + b"\x02" + short("STS.NEXAMPLE0123456789") + short("hunter2EXAMPLE")))

OF_ROOT = ID + b"\x01" + ACCOUNT + b"\x02" + b"\x01" + ACCOUNT + integer(3) + b"\x04" + KEY + integer(7)
print("DEFLATED", seal("trst_", 4, OF_ROOT + deflated_policy(POLICY) + TIMES + b"tcr-demo0001" + b"\x01"))
print("STORED", seal("trsr_", 5, OF_ROOT + stored_policy(POLICY) + TIMES + b"tcr-demo0001" + b"\x01"))
print("NARROWED", seal("trst_", 6, ID + b"\x03" + ACCOUNT + ROLE + short("ci")
    + b"\x03" + b"\x03" + ROLE + integer(1)
    + b"\x09" + ACCOUNT + short("ci") + hashlib.sha256(b"repo:example-org/app:ref:refs/heads/main").digest()[:16]
    + integer(1_735_787_045_123) + b"\x08" + b"vvvvvvvvvv0000000000" + integer(0)
    + policy(None) + TIMES + b"tcr-demo0001" + b"\x01"
    + b"\x01" + b"\x02" + b"\x01" + short("team/app") + b"\x03" + b"\x02" + short("catalog") + b"\x08"))
print("HEX", deflate(POLICY).hex())
