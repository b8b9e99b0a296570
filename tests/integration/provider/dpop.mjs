// The dpop client of npm: for each line {"alg", "htm", "htu", "accessToken"?} of standard input it says one line,
// {"proof", "thumbprint"}. Each algorithm has one key, made when it is first asked for.

import { createInterface } from 'node:readline';
import { calculateThumbprint, generateKeyPair, generateProof } from 'dpop';

const keys = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  const { alg, htm, htu, accessToken } = JSON.parse(line);
  if (!keys.has(alg)) keys.set(alg, await generateKeyPair(alg));
  const key = keys.get(alg);
  const proof = await generateProof(key, htu, htm, undefined, accessToken);
  console.log(JSON.stringify({ proof, thumbprint: await calculateThumbprint(key.publicKey) }));
}
