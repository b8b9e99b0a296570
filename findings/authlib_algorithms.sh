#!/usr/bin/env bash
# Authlib's JWTBearerTokenValidator (RFC 9068) accepted PS256 and RS384 in 1.6.9. In 1.9.10 it asks joserfc 1.8.0 with
# joserfc's default list, RS256, ES256 and HS256, and no argument of the validator changes that list.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >validate.py <<'EOF'
import time
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
ec = ECKey.generate_key("P-256", {"kid": "ec"})
KEYS = {"keys": [rsa.as_dict(private=False), ec.as_dict(private=False)]}
now = int(time.time())
CLAIMS = {"iss": "https://as.example/", "aud": "https://api.example", "sub": "somebody", "client_id": "app"}
CLAIMS |= {"iat": now, "exp": now + 600, "jti": "1"}


class Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        if version("authlib").startswith("1.6"):  # which wants its own kind of key set
            from authlib.jose import JsonWebKey

            return JsonWebKey.import_key_set(KEYS)
        return KeySet.import_key_set(KEYS)


for algorithm, key in (("RS256", rsa), ("ES256", ec), ("PS256", rsa), ("RS384", rsa)):
    header = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"}
    token = jwt.encode(header, CLAIMS, key, algorithms=[algorithm])
    validator = Validator("https://as.example/", "https://api.example")
    try:
        validator.validate_token(validator.authenticate_token(token), None, None)
        print(version("authlib"), algorithm, "accepted")
    except InvalidTokenError as error:
        print(version("authlib"), algorithm, error.error, type(error.__cause__).__name__)
EOF
for release in 1.6.9 1.9.10; do
    python3 -m venv "$release"
    "$release/bin/pip" install -q --disable-pip-version-check "Authlib==$release" joserfc==1.8.0 cryptography==50.0.2
    "$release/bin/python" validate.py
done >seen
printf '1.6.9 %s accepted\n' RS256 ES256 PS256 RS384 >expected
printf '1.9.10 %s accepted\n' RS256 ES256 >>expected
printf '1.9.10 %s invalid_token UnsupportedAlgorithmError\n' PS256 RS384 >>expected
diff expected seen
cat seen
