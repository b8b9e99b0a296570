"""The check of ``flask auth0 doctor`` for encrypted access tokens: the keys, and what to choose in Auth0."""

from __future__ import annotations

from collections.abc import Iterator

from auth0_blueprint.cli.finding import OK, WARN, Finding
from auth0_blueprint.cli.output import printable
from auth0_blueprint.settings import Settings

#: What one operation with a longer key costs is several times that of a key of 2048 bits.
_LONG_BITS = 4096


def examine_encryption(settings: Settings) -> Iterator[Finding]:
    """Check the keys that decrypt tokens; nothing where there are none. One that cannot be read ends the start."""
    keys, is_required = settings.encryption
    if not keys:
        return
    names = ", ".join(
        f"RSA {key.private_key.key_size} bits, {'any kid' if key.key_id is None else f'kid {key.key_id}'}"
        for key in keys
    )
    others = "signed tokens are refused" if is_required else "signed tokens are accepted as well"
    yield Finding("encryption", OK, printable(f"{names}; in Auth0 choose RSA-OAEP-256 (or -384, -512); {others}"))
    if any(key.private_key.key_size > _LONG_BITS for key in keys):
        text = f"a key has more than {_LONG_BITS} bits, and anyone can make this API use it"
        yield Finding("encryption", WARN, text, "use 2048 to 4096 bits")
