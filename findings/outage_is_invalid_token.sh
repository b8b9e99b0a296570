#!/usr/bin/env bash
# A good token, and an issuer that has stopped answering after the kept key set became too old: Auth0's packages for APIs
# (express-oauth2-jwt-bearer 1.10.0, auth0-api-python 1.0.0b10) answer 401 invalid_token, as if the token were bad.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact express-oauth2-jwt-bearer@1.10.0 express@5.3.0 jose@6.2.18
cat >api.mjs <<'EOF'
import http from 'node:http';
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import * as jose from 'jose';

const { publicKey, privateKey } = await jose.generateKeyPair('RS256');
const keys = [{ ...(await jose.exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }];
const issuer = http.createServer((_, response) => response.end(JSON.stringify({ keys }))).listen(0, '127.0.0.1');
const claims = { iss: 'https://as.example/', aud: 'https://api.example', exp: 4102444800 };
const token = await new jose.SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(privateKey);
const jwksUri = `http://127.0.0.1:${issuer.address().port}/`;
const app = express().use(auth({ issuer: claims.iss, audience: claims.aud, jwksUri, cacheMaxAge: 1 }));
app.get('/', (_, response) => response.end());
app.use((error, _, response, next) => response.status(error.status).send(error.code));
const server = app.listen(0, '127.0.0.1', async () => {
  const ask = () => fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { authorization: `Bearer ${token}` } });
  const before = await ask();
  await new Promise((closed) => issuer.close(closed) && issuer.closeAllConnections());
  const after = await ask();
  server.close(console.log('express-oauth2-jwt-bearer:', before.status, after.status, await after.text()));
});
EOF
node api.mjs >seen
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check auth0-api-python==1.0.0b10 Authlib==1.9.10 joserfc==1.8.0
venv/bin/python -W ignore - >>seen 2>warnings <<'EOF'
import asyncio

from auth0_api_python import ApiClient, ApiClientOptions, errors
from joserfc import jwt
from joserfc.jwk import RSAKey

key = RSAKey.generate_key(2048, {"kid": "one"})
claims = {"iss": "https://as.example/", "aud": "https://api.example", "iat": 0, "exp": 4102444800}
headers = {"authorization": "Bearer " + jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)}
answers = [{"keys": [key.as_dict(private=False)]}, {"issuer": claims["iss"], "jwks_uri": "https://as.example/keys"}]

async def fetch(url):
    return answers.pop()  # raises when both are used up: the issuer is gone

client = ApiClient(ApiClientOptions("as.example", claims["aud"], custom_fetch=fetch, cache_ttl_seconds=0.001))
asyncio.run(client.verify_request(headers))
try:
    asyncio.run(client.verify_request(headers))
except errors.BaseAuthError as error:
    print("auth0-api-python: 200", error.get_status_code(), error.get_error_code())
EOF
printf '%s: 200 401 invalid_token\n' express-oauth2-jwt-bearer auth0-api-python | diff - seen
cat seen
