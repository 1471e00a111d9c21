"""WeCom's encryption against Tencent's own samples, an independent peer, and rubbish."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wecom.crypto import Crypto, CryptoError, aes_key, decrypt_file

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text("utf-8"))
VALID: dict[str, dict[str, str]] = {vector["id"]: vector for vector in VECTORS["valid"]}
KEY = VALID["tencent-json-go"]["encoding_aes_key"]
FUZZ = 10_000


def of(vector: dict[str, str], **options: Any) -> Crypto:
    return Crypto(vector["token"], vector["encoding_aes_key"], vector["receive_id"], **options)


@pytest.mark.parametrize("vector", VALID.values(), ids=VALID)
def test_samples_verify_and_decrypt(vector: dict[str, str]) -> None:
    crypto = of(vector)
    crypto.verify(vector["signature"], vector["timestamp"], vector["nonce"], vector["cipher"])
    assert crypto.decrypt(vector["cipher"]).decode() == vector["plain"]


@pytest.mark.parametrize("vector", VALID.values(), ids=VALID)
def test_samples_come_out_the_same_when_made_again(vector: dict[str, str]) -> None:
    """Byte for byte, from the random bytes that each sample was made with."""
    random = _random_of(vector)
    if "random" in vector:
        assert random == vector["random"].encode()
    made = of(vector, random=lambda count: random).seal(
        vector["plain"].encode(), vector["nonce"], vector["timestamp"]
    )
    assert made.encrypt == vector["cipher"]
    assert made.signature == vector["signature"]
    assert (made.timestamp, made.nonce) == (vector["timestamp"], vector["nonce"])


def _random_of(vector: dict[str, str]) -> bytes:
    key = aes_key(vector["encoding_aes_key"])
    opened = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    return opened.update(base64.b64decode(vector["cipher"]))[:16]


def received(vector: dict[str, str]) -> bytes:
    crypto = of(vector)
    crypto.verify(vector["signature"], vector["timestamp"], vector["nonce"], vector["cipher"])
    return crypto.decrypt(vector["cipher"])


@pytest.mark.parametrize("refused", VECTORS["refused"], ids=lambda refused: refused["id"])
def test_what_is_not_right_is_refused_with_its_reason(refused: dict[str, Any]) -> None:
    vector = VALID[refused["base"]] | refused["change"]
    if refused["reason"] == "configuration":
        with pytest.raises(ValueError, match="EncodingAESKey"):
            of(vector)
        return
    with pytest.raises(CryptoError) as caught:
        received(vector)
    assert caught.value.reason == refused["reason"]


def test_an_ai_bot_has_an_empty_receiver_and_takes_nobody_elses() -> None:
    bot, app = Crypto("t", KEY, ""), Crypto("t", KEY, "ww1")
    assert bot.decrypt(bot.encrypt(b"{}")) == b"{}"
    with pytest.raises(CryptoError) as caught:
        bot.decrypt(app.encrypt(b"{}"))
    assert caught.value.reason == "wrong_receiver"


def test_the_timestamp_of_a_reply_is_now_in_whole_seconds() -> None:
    crypto = Crypto("t", KEY, "", clock=lambda: 1_700_000_000.9)
    made = crypto.seal(b"x", "n")
    assert made.timestamp == "1700000000"
    crypto.verify(made.signature, made.timestamp, "n", made.encrypt)


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "A", KEY[:-1] + "=", KEY[:-1] + "é", KEY[:-1] + " "])
def test_a_wrong_key_is_named_when_configured_not_when_used(key: str) -> None:
    with pytest.raises(ValueError, match="EncodingAESKey"):
        Crypto("t", key, "")


@given(st.binary(max_size=300), st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_every_message_comes_back_whatever_its_length(plain: bytes, receive_id: str) -> None:
    crypto = Crypto("t", KEY, receive_id)
    sealed = base64.b64decode(crypto.encrypt(plain))
    assert len(sealed) % 32 == 0
    assert crypto.decrypt(crypto.encrypt(plain)) == plain


@given(st.one_of(st.text(max_size=200), st.binary(max_size=256).map(lambda b: base64.b64encode(b).decode())))
@settings(max_examples=FUZZ, deadline=None)
def test_rubbish_gives_a_crypto_error_and_nothing_else(cipher: str) -> None:
    """Tencent's own libraries raise IndexError or UnicodeDecodeError here."""
    with pytest.raises(CryptoError):
        Crypto("t", KEY, "ww1").decrypt(cipher)


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"r" * 16 + b"\xff\xff\xff\xff" + b"hi" + b"ww1", "malformed"),  # longer than there is
        (b"r" * 16 + b"\x00\x00\x00\x02" + b"hi" + b"ww2", "wrong_receiver"),
        (b"r" * 16 + b"\x00\x00\x00\x02" + b"hi", "wrong_receiver"),
        (b"r" * 16 + b"\x00\x00\x00\x00", "wrong_receiver"),
        (b"short", "malformed"),
        (b"", "malformed"),
    ],
)
def test_a_well_encrypted_but_malformed_plain_text_is_refused(plain: bytes, reason: str) -> None:
    """What only the holder of the key can send: lengths that lie."""
    padding = 32 - len(plain) % 32
    with pytest.raises(CryptoError) as caught:
        Crypto("t", KEY, "ww1").decrypt(_raw(plain + bytes([padding]) * padding))
    assert caught.value.reason == reason


@pytest.mark.parametrize("last", [b"\x00", b"\x21", b"\xff", b"\x01\x02"])
def test_padding_that_lies_is_refused(last: bytes) -> None:
    padded = b"r" * 16 + b"\x00\x00\x00\x02" + b"hi" + b"ww1"
    padded += b"\x07" * (32 - len(padded) - len(last)) + last
    with pytest.raises(CryptoError) as caught:
        Crypto("t", KEY, "ww1").decrypt(_raw(padded))
    assert caught.value.reason == "malformed"


def _raw(padded: bytes) -> str:
    key = aes_key(KEY)
    sealing = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(sealing.update(padded) + sealing.finalize()).decode()


@pytest.mark.parametrize("byte", range(0, 64, 7))
def test_one_changed_byte_is_a_bad_signature(byte: int) -> None:
    crypto = Crypto("t", KEY, "")
    made = crypto.seal(b"transfer 100", "n", "1")
    cipher = bytearray(base64.b64decode(made.encrypt))
    cipher[byte % len(cipher)] ^= 1
    with pytest.raises(CryptoError) as caught:
        crypto.verify(made.signature, "1", "n", base64.b64encode(cipher).decode())
    assert caught.value.reason == "bad_signature"


def test_a_file_is_the_same_cipher_without_an_envelope() -> None:
    key, data = aes_key(KEY), b"\x89PNG" * 33
    padding = 32 - len(data) % 32
    sealing = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = sealing.update(data + bytes([padding]) * padding) + sealing.finalize()
    assert decrypt_file(sealed, key) == data
    for broken in (b"", sealed[:-1], sealed[:-16]):
        with pytest.raises(CryptoError):
            decrypt_file(broken, key)


PEER = """
const {decrypt, encrypt, getSignature} = require('@wecom/crypto');
const ours = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const theirs = ours.map(({token, key, message, cipher, timestamp, nonce, id}) => {
  const sealed = encrypt(key, message, id);
  return {opened: decrypt(key, cipher), signature: getSignature(token, timestamp, nonce, cipher),
          cipher: sealed, theirSignature: getSignature(token, timestamp, nonce, sealed)};
});
console.log(JSON.stringify(theirs));
"""


@pytest.fixture(scope="module")
def node_peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Tencent's JavaScript library. Skips where there is no node, npm or registry."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm aren't installed")
    folder = tmp_path_factory.mktemp("node")
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), "@wecom/crypto@1"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        pytest.skip("npm can't install @wecom/crypto here")
    return folder


def test_tencents_javascript_library_reads_ours_and_we_read_its(node_peer: Path) -> None:
    cases = []
    for number, message in enumerate(("", "hello", "贷款利率是多少？", "x" * 1000, '{"a":"\\n"}', "😀" * 40)):
        for receive_id in ("", "ww1436e0e65a779aee"):
            crypto = Crypto("tok", KEY, receive_id)
            made = crypto.seal(message.encode(), f"n{number}", f"16000000{number}")
            cases.append(
                {
                    "token": "tok",
                    "key": KEY,
                    "id": receive_id,
                    "message": message,
                    "cipher": made.encrypt,
                    "timestamp": made.timestamp,
                    "nonce": made.nonce,
                    "signature": made.signature,
                }
            )
    (node_peer / "peer.js").write_text(PEER)
    done = subprocess.run(
        ["node", "peer.js"], cwd=node_peer, input=json.dumps(cases).encode(), capture_output=True, check=True
    )
    for case, peer in zip(cases, json.loads(done.stdout), strict=True):
        assert peer["opened"]["message"] == case["message"]
        assert peer["opened"]["id"] == case["id"]
        assert peer["signature"] == case["signature"]
        crypto = Crypto("tok", KEY, case["id"])
        crypto.verify(peer["theirSignature"], case["timestamp"], case["nonce"], peer["cipher"])
        assert crypto.decrypt(peer["cipher"]).decode() == case["message"]
