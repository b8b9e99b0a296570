#!/usr/bin/env bash
# express-oauth2-jwt-bearer 1.10.0 takes the algorithms it allows for access tokens from what the issuer's discovery
# document says of ID tokens (id_token_signing_alg_values_supported). A valid access token signed with another one is
# refused, also with tokenSigningAlg set to it; with issuer and jwksUri instead of issuerBaseURL it is accepted.
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

const listening = (handler) => new Promise((resolve) => {
  const server = http.createServer(handler);
  server.listen(0, '127.0.0.1', () => resolve([server, `http://127.0.0.1:${server.address().port}/`]));
});

const { publicKey, privateKey } = await jose.generateKeyPair('PS256');
const keys = [{ ...(await jose.exportJWK(publicKey)), kid: 'one', alg: 'PS256', use: 'sig' }];
const [issuerServer, issuer] = await listening((request, response) => {
  const metadata = { issuer, jwks_uri: `${issuer}jwks`, id_token_signing_alg_values_supported: ['RS256'] };
  response.setHeader('content-type', 'application/json').end(JSON.stringify(request.url === '/jwks' ? { keys } : metadata));
});
const token = await new jose.SignJWT({ sub: 'somebody' }).setProtectedHeader({ alg: 'PS256', kid: 'one', typ: 'at+jwt' })
  .setIssuer(issuer).setAudience('https://api.example').setIssuedAt().setExpirationTime('10m').sign(privateKey);

for (const [name, options] of Object.entries({
  'issuerBaseURL': { issuerBaseURL: issuer },
  'issuerBaseURL, tokenSigningAlg': { issuerBaseURL: issuer, tokenSigningAlg: 'PS256' },
  'issuer, jwksUri': { issuer, jwksUri: `${issuer}jwks` },
})) {
  const app = express().get('/', auth({ audience: 'https://api.example', ...options }), (_, response) => response.send('in'));
  app.use((error, _, response, next) => response.status(error.status).send(error.message));
  const [server, url] = await listening(app);
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  console.log(`${name}: ${response.status} ${await response.text()}`);
  server.close();
}
issuerServer.close();
EOF
node api.mjs >seen
diff - seen <<'EOF'
issuerBaseURL: 401 Unexpected 'alg' value
issuerBaseURL, tokenSigningAlg: 401 Unexpected 'alg' value
issuer, jwksUri: 200 in
EOF
cat seen
