// An OpenID provider on loopback that gives JWT access tokens to one client (client credentials, RFC 8707).
//
// Argument: the port, 0 for a free one. Standard input: {"keys": [private JWKs], "client": {"id", "secret"}, "web"?,
// "encryption_key"?}.
// "web" is the metadata of one more client, to which users log in: whoever login_hint names, without any question.
// Among several keys of one algorithm the first signs. Once it listens it says "issuer <URL>".
//
// A token that is asked for with a DPoP proof is bound to its key (RFC 9449 §5).
//
// A token that is asked for with authorization_details of the type payment_initiation has them (RFC 9396), and one that
// is asked for with "act", a JSON object, has that claim.
//
// The token exchange grant (RFC 8693) takes access tokens of this provider, and answers with one of the same subject for
// "audience", in which the client is the actor. "audience" is a resource indicator, also where no "resource" is given.
//
// The resource indicator https://host/ALG asks for a token for the audience https://host/, signed with ALG; and
// https://host/ALG/RSA-OAEP-256/ENC for one that is encrypted in that way for "encryption_key", a public key in PEM.

import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { jwtVerify } from 'jose';
import { Provider, errors } from 'oidc-provider';

const ALGORITHMS = ['RS256', 'PS256', 'ES256'];
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const PROOF_ALGORITHMS = ['ES256', 'RS256', 'PS256', 'Ed25519', 'EdDSA'];

function resourceServer(ctx, indicator) {
  const { origin, pathname } = new URL(indicator);
  const [alg, encryptionAlg, enc] = pathname.slice(1).split('/');
  if (!ALGORITHMS.includes(alg)) throw new errors.InvalidTarget();
  return {
    audience: `${origin}/`,
    scope: 'read:messages write:messages',
    accessTokenFormat: 'jwt',
    accessTokenTTL: 300,
    jwt: { sign: { alg }, ...(enc ? { encrypt: { alg: encryptionAlg, enc, key: createPublicKey(encryptionKey) } } : {}) },
  };
}

const publicKey = ({ kid }) => createPublicKey({ key: keys.find((key) => key.kid === kid), format: 'jwk' });

async function exchange(ctx) {
  const { client, params, provider } = ctx.oidc;
  if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('another type of subject token');
  const { payload } = await jwtVerify(params.subject_token, publicKey, { issuer: provider.issuer }).catch(() => {
    throw new errors.InvalidGrant('the subject token is not one of ours');
  });
  ctx.oidc.body.act = JSON.stringify({ sub: client.clientId, act: payload.act });
  const token = new provider.AccessToken({ accountId: payload.sub, client, scope: params.scope });
  token.resourceServer = new provider.ResourceServer(params.audience, resourceServer(ctx, params.audience));
  ctx.oidc.entity('AccessToken', token);
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: ACCESS_TOKEN,
    token_type: token.tokenType,
    expires_in: token.expiration,
    scope: token.scope,
  };
}

// Stands for the user, who logs in and consents.
async function logIn(provider, request, response) {
  const { params } = await provider.interactionDetails(request, response);
  await provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
}

async function grantAll(ctx) {
  const { client, params, session, provider } = ctx.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid');
  grant.addResourceScope(params.resource, 'read:messages');
  await grant.save();
  return grant;
}

const { keys, client, web, encryption_key: encryptionKey } = await json(process.stdin);
const server = createServer();

server.listen(Number(process.argv[2]), '127.0.0.1', () => {
  // Auth0's issuers end with a slash.
  const issuer = `http://127.0.0.1:${server.address().port}/`;
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: client.id,
      client_secret: client.secret,
      grant_types: ['client_credentials'],
      authorization_details_types: ['payment_initiation'],
      response_types: [],
      redirect_uris: [],
    }, ...(web ? [web] : [])],
    loadExistingGrant: grantAll,
    extraTokenClaims: ({ oidc }) => ({
      sid: oidc.entities.AuthorizationCode?.sid,
      act: oidc.body?.act && JSON.parse(oidc.body.act),
    }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // Its own goes to no address on loopback.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    enabledJWA: { dPoPSigningAlgValues: PROOF_ALGORITHMS },
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      richAuthorizationRequests: {
        enabled: true,
        types: { payment_initiation: { validate() {} } },
        authorizationDetailsForAccessToken: ({ oidc }) => JSON.parse(oidc.params.authorization_details),
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: resourceServer,
        defaultResource: (ctx) => ctx.oidc.body?.audience,
      },
    },
  });
  const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope'];
  provider.registerGrantType(TOKEN_EXCHANGE, exchange, parameters);
  const answer = provider.callback();
  server.on('request', (request, response) => (
    request.url.startsWith('/interaction/') ? logIn(provider, request, response) : answer(request, response)
  ));
  console.log(`issuer ${issuer}`);
});
