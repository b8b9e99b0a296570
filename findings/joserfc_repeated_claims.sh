#!/usr/bin/env bash
# oidc-provider 9.13.3 repeats iss and aud in the header of an encrypted JWT access token (RFC 7519 §5.3) and writes
# "cty": "at+jwt". joserfc 1.8.0 refuses that header although the algorithms are allowed by name; jwcrypto 1.6.1 does not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact oidc-provider@9.13.3 jose@6.2.18
cat >issue.mjs <<'EOF'
import fs from 'node:fs';
import http from 'node:http';
import * as jose from 'jose';
import { Provider } from 'oidc-provider';

const { privateKey, publicKey } = await jose.generateKeyPair('RSA-OAEP-256', { extractable: true });
const signing = await jose.exportJWK((await jose.generateKeyPair('RS256', { extractable: true })).privateKey);
const jwt = { sign: { alg: 'RS256' }, encrypt: { alg: 'RSA-OAEP-256', enc: 'A256GCM', key: publicKey } };
const api = { audience: 'https://api.example', scope: 'read', accessTokenFormat: 'jwt', jwt };
const resourceIndicators = { enabled: true, defaultResource: () => api.audience, getResourceServerInfo: () => api };
const grants = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const provider = new Provider('http://127.0.0.1', {
  clients: [{ client_id: 'app', client_secret: 'secret', ...grants }],
  jwks: { keys: [{ ...signing, kid: 'one', use: 'sig', alg: 'RS256' }] },
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false }, resourceIndicators },
});
const server = http.createServer(provider.callback()).listen(0, '127.0.0.1', async () => {
  const headers = { authorization: `Basic ${btoa('app:secret')}` };
  const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'read' });
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/token`, { method: 'POST', headers, body });
  const issued = { token: (await answer.json()).access_token, key: await jose.exportJWK(privateKey) };
  fs.writeFileSync('issued.json', JSON.stringify(issued));
  server.close();
});
EOF
node issue.mjs >provider.log 2>&1 || { cat provider.log; exit 1; }
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check joserfc==1.8.0 jwcrypto==1.6.1 cryptography==50.0.2
venv/bin/python - >seen <<'EOF'
import json

from joserfc import errors, jwe
from joserfc.jwk import RSAKey
from jwcrypto import jwe as jwcrypto_jwe, jwk

token, key = json.load(open("issued.json")).values()
read = jwcrypto_jwe.JWE()
read.deserialize(token, jwk.JWK(**key))
print("jwcrypto:", *(f"{name}={value}" for name, value in sorted(read.jose_header.items())))
try:
    print("joserfc:", jwe.decrypt_compact(token, RSAKey.import_key(key), ["RSA-OAEP-256", "A256GCM"]).headers())
except errors.JoseError as error:
    print("joserfc:", error.error)
EOF
printf '%s\n' 'jwcrypto: alg=RSA-OAEP-256 aud=https://api.example cty=at+jwt enc=A256GCM iss=http://127.0.0.1' \
    'joserfc: unsupported_header' | diff - seen
cat seen
