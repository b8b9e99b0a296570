// npm's jose: says one JWT signed with HS256 of the claims and the secret in {"secret", "header", "claims"}, the argument.

import { SignJWT } from 'jose';

const { secret, header, claims } = JSON.parse(process.argv[2]);
const key = new TextEncoder().encode(secret);
console.log(await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', ...header }).sign(key));
