"""docs/how-to/encrypted-tokens.md: its commands make keys that its settings take, and it says what is accepted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import AppFactory
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from documents import ROOT, blocks_of, run_block
from refusals import NOT_ENCRYPTED, UNDECRYPTABLE, answer_to, guarded, passes

from auth0_blueprint.jose.jwe import CONTENT_ENCRYPTIONS, KEY_ENCRYPTIONS
from auth0_blueprint.settings.decryption_keys import MAX_KEYS, MAX_RSA_BITS
from auth0_blueprint.testing import EncryptionKey, LocalIssuer

PAGE = ROOT / "docs" / "how-to" / "encrypted-tokens.md"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the page's commands need openssl")
def test_the_key_of_the_page_decrypts_in_the_app_of_the_page(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path
) -> None:
    console, *settings = [block.code for block in blocks_of(PAGE)]
    for line in console.strip().splitlines():
        subprocess.run(line.removeprefix("$ ").split(), cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "auth0-api.pem").read_bytes()
    key = EncryptionKey(private_key=load_pem_private_key(text, None))  # type: ignore[arg-type]
    assert (tmp_path / "auth0-api.pub.pem").read_text() == key.public_pem
    allowed, required = (run_block(PAGE, code) for code in settings)
    path = {"AUTH0_DECRYPTION_KEYS": str(tmp_path / Path(allowed["AUTH0_DECRYPTION_KEYS"]).name)}
    during, after = guarded(make_app(**path)), guarded(make_app(**path, AUTH0_ENCRYPTION=required["AUTH0_ENCRYPTION"]))
    signed = issuer.token()
    assert [passes(during, token) for token in (signed, key.encrypt(signed))] == [True, True]
    assert (answer_to(after, signed), passes(after, key.encrypt(signed))) == (NOT_ENCRYPTED, True)


def test_the_page_says_what_is_accepted() -> None:
    said = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"| `alg` | {', '.join(KEY_ENCRYPTIONS)} |" in said
    assert f"| `enc` | {', '.join(CONTENT_ENCRYPTIONS)} |" in said
    assert f"at most {MAX_KEYS} keys" in said
    assert f"RSA keys of 2048 to {MAX_RSA_BITS} bits" in said
    for answer in (UNDECRYPTABLE, NOT_ENCRYPTED):
        assert f'"{answer.body["error_description"]}"' in said
