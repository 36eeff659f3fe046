/**
 * One life of a server's key files: opens the directory, makes the next CA where it is asked to,
 * and brings the files to what the "journal" says. A test kills it at each of its steps.
 * Arguments: directory, `prepare`, `overlap` or `finish`. Prints what it then stands for.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pinOf } from '../../src/net/trust.ts';
import { Authorities } from '../../src/roles/server/authorities.io.ts';
import { openCredentials } from '../../src/roles/server/data.io.ts';
import type { CaState } from '../../src/roles/server/model/certificates.ts';

const [data = '', what = ''] = process.argv.slice(2);
const journal = `${data}/journal.json`;
const known = (): CaState | undefined =>
  existsSync(journal) ? (JSON.parse(readFileSync(journal, 'utf8')) as CaState) : undefined;

mkdirSync(`${data}/private`, { recursive: true });
const authorities = new Authorities(data, await openCredentials(data, 'fleet'));
await authorities.settle(known());
await authorities.publish(['127.0.0.1:7416']);
const before = known();
if (what === 'prepare' && !before) {
  const pins = await authorities.prepare('rotate');
  writeFileSync(journal, JSON.stringify({ ...pins, stage: 'overlap', at: 1 }));
}
if (what === 'finish' && before?.stage === 'overlap') {
  const { nextPin: pin, trusts } = await authorities.prepare('finish');
  writeFileSync(journal, JSON.stringify({ stage: 'stable', pin, trusts, at: 2 }));
}
await authorities.settle(known());
await authorities.publish(['127.0.0.1:7416']);
const { authority, certificate, key, clients = '' } = authorities.listen;
const { trusted } = authorities;
const pin = pinOf(authority);
console.log(JSON.stringify({ pin, authority, certificate, key, clients, trusted }));
