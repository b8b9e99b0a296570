#!/usr/bin/env bash
# npm jose 6.2.18 encrypts with RSA-OAEP-384 and RSA-OAEP-512, which are in IANA's registry of JWE algorithms. joserfc
# 1.8.0, jwcrypto 1.6.1 and Authlib 1.9.10 know neither, whatever they are told to allow.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact jose@6.2.18
cat >encrypt.mjs <<'EOF'
import * as jose from 'jose';

for (const alg of ['RSA-OAEP-256', 'RSA-OAEP-384', 'RSA-OAEP-512']) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const encrypting = new jose.CompactEncrypt(new TextEncoder().encode('text')).setProtectedHeader({ alg, enc: 'A256GCM' });
  const { alg: _, ...key } = await jose.exportJWK(privateKey);
  console.log(JSON.stringify({ alg, key, token: await encrypting.encrypt(publicKey) }));
}
EOF
node encrypt.mjs >encrypted
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check joserfc==1.8.0 jwcrypto==1.6.1 Authlib==1.9.10 cryptography==50.0.2
venv/bin/python -W ignore - >seen 2>warnings <<'EOF'
import json

from authlib.jose import JsonWebEncryption, JsonWebKey
from joserfc import jwe
from joserfc.jwk import RSAKey
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

def with_joserfc(alg, key, token):
    return jwe.decrypt_compact(token, RSAKey.import_key(key), [alg, "A256GCM"]).plaintext

def with_jwcrypto(alg, key, token):
    read = JWE(algs=[alg, "A256GCM"])
    read.deserialize(token, JWK(**key))
    return read.payload

def with_authlib(alg, key, token):
    return JsonWebEncryption([alg, "A256GCM"]).deserialize_compact(token, JsonWebKey.import_key(key))["payload"]

for line in open("encrypted"):
    encrypted = json.loads(line)
    for read in (with_joserfc, with_jwcrypto, with_authlib):
        try:
            answer = read(**encrypted).decode()
        except Exception as error:
            answer = type(error).__name__
        print(encrypted["alg"], read.__name__, answer)
EOF
printf 'RSA-OAEP-256 with_%s text\n' joserfc jwcrypto authlib >expected
for alg in RSA-OAEP-384 RSA-OAEP-512; do
    printf "$alg with_%s\n" 'joserfc UnsupportedAlgorithmError' 'jwcrypto InvalidJWEData' 'authlib UnsupportedAlgorithmError'
done >>expected
diff expected seen
cat seen
