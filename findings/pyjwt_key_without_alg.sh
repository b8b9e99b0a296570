#!/usr/bin/env bash
# PyJWT 2.15.1 reads an RSA key without "alg" as one for RS256 only: a PS256 token of that key is refused, although the
# caller allows PS256 and RFC 7517 §4.4 makes "alg" optional. The key taken out of its PyJWK verifies the same token.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check cryptography==50.0.2
venv/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes -r /dev/stdin <<'EOF'
PyJWT==2.15.1 --hash=sha256:42d59d631f7768a1028a64c7ff581a9bf7519804daf91fc5b6c56e30eec5e193
EOF
venv/bin/python - >seen <<'EOF'
import json

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ALLOWED = ["RS256", "PS256"]
private_key = rsa.generate_private_key(65537, 2048)
jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key.public_key()))
jwk = {"kid": "one", "use": "sig"} | {name: jwk[name] for name in ("kty", "n", "e")}
key = jwt.PyJWKSet([jwk])["one"]
for algorithm in ALLOWED:
    token = jwt.encode({"sub": "somebody"}, private_key, algorithm, headers={"kid": "one"})
    for name, usable in (("PyJWK", key), ("PyJWK.key", key.key)):
        try:
            answer = jwt.decode(token, usable, algorithms=ALLOWED)["sub"]
        except jwt.InvalidTokenError as error:
            answer = f"{type(error).__name__}: {error}"
        print(f"{algorithm} with {name}: {answer}")
EOF
diff - seen <<'EOF'
RS256 with PyJWK: somebody
RS256 with PyJWK.key: somebody
PS256 with PyJWK: InvalidAlgorithmError: Token algorithm 'PS256' does not match the key's algorithm 'RS256'
PS256 with PyJWK.key: somebody
EOF
cat seen
