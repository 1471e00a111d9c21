"""WeCom's callback encryption, both ways, and the encryption of the files it lends for download.

    signature = sha1(concatenation of the sorted [token, timestamp, nonce, cipher]), hex
    cipher    = base64(AES-256-CBC(key, iv = key[:16], padded plain)), key = base64(EncodingAESKey + "=")
    plain     = 16 random bytes ‖ message length (big-endian, 4 bytes) ‖ message ‖ receive id
    padding   = PKCS#7 with a block of 32 bytes

Source: WeCom's 加解密方案说明 (developer.work.weixin.qq.com/document/path/90968); the vectors under
tests/adapters/wecom are Tencent's own samples.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

__all__ = ["Crypto", "CryptoError", "Envelope", "Reason", "aes_key", "decrypt_file"]

Reason = Literal["bad_signature", "malformed", "wrong_receiver"]

BLOCK: Final = 32
"""Bytes that plain texts are padded to a multiple of."""
_AES_BLOCK: Final = 16
_KEY_LENGTH: Final = 43
"""Characters of an EncodingAESKey: 32 bytes in base64 less the `=` at the end."""


class CryptoError(Exception):
    """What came is forged, damaged, or meant for another receiver: `reason` says which."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """An encrypted message with all that its receiver needs to check it."""

    encrypt: str
    signature: str
    timestamp: str
    """Whole seconds since the epoch."""
    nonce: str


class Crypto:
    """One callback's token and key.

    Args:
        token, encoding_aes_key: as shown where the callback is set up.
        receive_id: the corporation's id for apps and 微信客服, empty for an AI bot.
        random: gives so many random bytes.
        clock: seconds since the epoch.

    Raises:
        ValueError: `encoding_aes_key` isn't one.
    """

    def __init__(
        self,
        token: str,
        encoding_aes_key: str,
        receive_id: str,
        *,
        random: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._token = token
        self._key = aes_key(encoding_aes_key)
        self._receive_id = receive_id.encode()
        self._random = random
        self._clock = clock

    @property
    def key(self) -> bytes:
        """The 32 bytes that an AI bot's files are encrypted with, too."""
        return self._key

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock()

    def sign(self, timestamp: str, nonce: str, cipher: str) -> str:
        """The signature in hex."""
        parts = sorted(
            part.encode("utf-8", "surrogatepass") for part in (self._token, timestamp, nonce, cipher)
        )
        # SHA-1 is WeCom's choice; the token in it is the secret.
        return hashlib.sha1(b"".join(parts)).hexdigest()  # noqa: S324

    def verify(self, signature: str, timestamp: str, nonce: str, cipher: str) -> None:
        """Compare in constant time.

        Raises:
            CryptoError: bad_signature.
        """
        expected = self.sign(timestamp, nonce, cipher).encode()
        if not hmac.compare_digest(expected, signature.encode("utf-8", "surrogatepass")):
            raise CryptoError(
                "bad_signature", "the signature doesn't match; is the token the same here and there?"
            )

    def decrypt(self, cipher: str) -> bytes:
        """The message inside. Check the signature first.

        Raises:
            CryptoError: malformed, wrong_receiver; nothing else whatever the input.
        """
        try:
            sealed = base64.b64decode(cipher.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise CryptoError("malformed", "the cipher isn't base64") from None
        plain = _unpad(_aes(self._key, sealed, decrypt=True))
        if len(plain) < 20:
            raise CryptoError("malformed", "the plain text is too short")
        end = 20 + int.from_bytes(plain[16:20], "big")
        if end > len(plain):
            raise CryptoError("malformed", "the plain text is shorter than it says")
        if not hmac.compare_digest(plain[end:], self._receive_id):
            raise CryptoError("wrong_receiver", "meant for another corporation; is the corp id right?")
        return plain[20:end]

    def encrypt(self, plain: bytes) -> str:
        """The cipher of a message, in base64."""
        whole = self._random(16) + len(plain).to_bytes(4, "big") + plain + self._receive_id
        padding = BLOCK - len(whole) % BLOCK
        return base64.b64encode(_aes(self._key, whole + bytes([padding]) * padding, decrypt=False)).decode()

    def seal(self, plain: bytes, nonce: str, timestamp: str | None = None) -> Envelope:
        """Encrypt and sign; `timestamp` is now unless given."""
        cipher = self.encrypt(plain)
        stamp = timestamp if timestamp is not None else str(int(self._clock()))
        return Envelope(cipher, self.sign(stamp, nonce, cipher), stamp, nonce)


def aes_key(encoding_aes_key: str) -> bytes:
    """The 32 bytes that an EncodingAESKey stands for.

    Raises:
        ValueError: it isn't 43 characters of base64.
    """
    try:
        if len(encoding_aes_key) != _KEY_LENGTH:
            raise ValueError
        key = base64.b64decode((encoding_aes_key + "=").encode("ascii"), validate=True)
        if len(key) != 32:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"an EncodingAESKey has {_KEY_LENGTH} letters and digits; copy it again from WeCom's admin page"
        ) from None
    return key


def decrypt_file(sealed: bytes, key: bytes) -> bytes:
    """A file that a customer sent to an AI bot, as downloaded: the same cipher, without an envelope.

    Raises:
        CryptoError: malformed.
    """
    return _unpad(_aes(key, sealed, decrypt=True))


def _aes(key: bytes, data: bytes, *, decrypt: bool) -> bytes:
    if not data or len(data) % _AES_BLOCK:
        raise CryptoError("malformed", "the cipher isn't a whole number of blocks")
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))
    context = cipher.decryptor() if decrypt else cipher.encryptor()
    return context.update(data) + context.finalize()


def _unpad(padded: bytes) -> bytes:
    """Without the padding, all bytes of which must be right.

    Telling bad padding from other damage helps nobody to decrypt: only signed ciphers come here.
    """
    count = padded[-1]
    if not 1 <= count <= min(BLOCK, len(padded)) or padded[-count:] != bytes([count]) * count:
        raise CryptoError("malformed", "the padding is wrong; is the EncodingAESKey the same on both sides?")
    return padded[:-count]
