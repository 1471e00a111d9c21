"""WeCom's side of the callback encryption, written from its description and apart from the adapter's own:
each is the other's check.

Source: 加解密方案说明 (developer.work.weixin.qq.com/document/path/90968).
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

__all__ = ["open_sealed", "seal", "signature"]


def signature(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    return hashlib.sha1("".join(sorted((token, timestamp, nonce, encrypted))).encode()).hexdigest()  # noqa: S324


def seal(key43: str, receive_id: str, text: str) -> str:
    message = text.encode()
    block = secrets.token_bytes(16) + struct.pack(">I", len(message)) + message + receive_id.encode()
    fill = 32 - len(block) % 32
    encryptor = _cipher(key43).encryptor()
    return b64encode(encryptor.update(block + bytes((fill,)) * fill) + encryptor.finalize()).decode()


def open_sealed(key43: str, receive_id: str, encrypted: str) -> str:
    decryptor = _cipher(key43).decryptor()
    block = decryptor.update(b64decode(encrypted)) + decryptor.finalize()
    block = block[: -block[-1]]
    (length,) = struct.unpack(">I", block[16:20])
    if block[20 + length :].decode() != receive_id:
        raise ValueError("for somebody else")
    return block[20 : 20 + length].decode()


def _cipher(key43: str) -> Cipher[CBC]:
    key = b64decode(f"{key43}=")
    return Cipher(AES256(key), CBC(key[:16]))
