#!/usr/bin/env bash
# A client_secret with "+" or "%" sent by HTTP Basic has to be form-urlencoded first (RFC 6749 §2.3.1). requests 2.34.2,
# httpx 0.28.1 and Authlib 1.9.10 (client_secret_basic) send it as it is; oidc-provider 9.13.3 decodes it, and refuses.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"; [ -z "$server" ] || kill "$server"' EXIT
server=
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact oidc-provider@9.13.3 jose@6.2.18
cat >provider.mjs <<'EOF'
import http from 'node:http';
import * as jose from 'jose';
import { Provider } from 'oidc-provider';

const signing = await jose.exportJWK((await jose.generateKeyPair('RS256', { extractable: true })).privateKey);
const client = { client_id: 'app', client_secret: process.argv[2], grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const provider = new Provider('http://127.0.0.1', {
  clients: [client], jwks: { keys: [{ ...signing, kid: 'one', use: 'sig', alg: 'RS256' }] },
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
});
const server = http.createServer(provider.callback()).listen(0, '127.0.0.1', () => console.log(server.address().port));
EOF
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check requests==2.34.2 httpx==0.28.1 Authlib==1.9.10
secret='one+two%2Bthree'
node provider.mjs "$secret" >port 2>provider.log &
server=$!
until [ -s port ] || ! kill -0 "$server"; do sleep 0.2; done
venv/bin/python - "http://127.0.0.1:$(cat port)/token" "$secret" >seen <<'EOF'
import sys
from urllib.parse import quote_plus

import httpx
import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError

url, secret = sys.argv[1:]
form = {"grant_type": "client_credentials"}
print("requests:", requests.post(url, form, auth=("app", secret)).status_code)
print("httpx:", httpx.post(url, data=form, auth=("app", secret)).status_code)
try:
    print("Authlib:", OAuth2Session("app", secret).fetch_token(url, **form)["token_type"])
except OAuthError as error:
    print("Authlib:", error.error)
print("requests, form-urlencoded first:", requests.post(url, form, auth=("app", quote_plus(secret))).status_code)
EOF
diff - seen <<'EOF'
requests: 401
httpx: 401
Authlib: invalid_client
requests, form-urlencoded first: 200
EOF
cat seen
