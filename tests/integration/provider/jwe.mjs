// The JWE of npm's jose: for each line {"text", "header", "key"} of standard input it says one line, "text" encrypted for
// "key", a public key in PEM, under that protected header.

import { createPublicKey } from 'node:crypto';
import { createInterface } from 'node:readline';
import { CompactEncrypt } from 'jose';

for await (const line of createInterface({ input: process.stdin })) {
  const { text, header, key } = JSON.parse(line);
  const token = new CompactEncrypt(new TextEncoder().encode(text)).setProtectedHeader(header);
  console.log(await token.encrypt(createPublicKey(key)));
}
