/**
 * A load of durable commands: eight admin sessions with 32 `task set` in flight each.
 * `node load.ts SERVER-DIRECTORY SECONDS` prints how many were acknowledged, and in what time.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Admin, key, openSession } from './rig.ts';

const SESSIONS = 8;
const IN_FLIGHT = 32;
const [directory = '', seconds = '3'] = process.argv.slice(2);
const identity = JSON.parse(readFileSync(join(directory, 'admin.json'), 'utf8')) as Admin;
const links = await Promise.all(Array.from({ length: SESSIONS }, () => openSession(identity)));
const beginMs = performance.now();
const endMs = beginMs + Number(seconds) * 1_000;
let count = 0;
async function lane(link: (typeof links)[number], n: number): Promise<void> {
  for (let round = 0; performance.now() < endMs; round += 1) {
    const spec = { command: ['/bin/true', `${n}.${round}`] };
    await link.request('taskAdd', { key: key(), task: 'web', spec, mode: 'set' });
    count += 1;
  }
}
await Promise.all(
  links.flatMap((link, at) =>
    Array.from({ length: IN_FLIGHT }, (_, n) => lane(link, at * IN_FLIGHT + n)),
  ),
);
const ms = performance.now() - beginMs;
await Promise.all(links.map((link) => link.close()));
console.log(JSON.stringify({ count, ms }));
