/**
 * The journal with nothing around it: 256 callers, each with one append under way.
 * `node journal.ts PATH SECONDS BYTES` prints how many were durable, and in what time.
 */
import { openJournal } from '../../src/store/open-journal.io.ts';

const CALLERS = 256;
const [path = '', seconds = '3', bytes = '160'] = process.argv.slice(2);
const journal = await openJournal({ path, server: 'bench' });
const following = (async () => {
  for await (const entries of journal.follow(journal.head.seq)) {
    journal.project([], entries.at(-1)?.seq ?? 0);
  }
})();
const record = Buffer.alloc(Number(bytes), 'lotc');
const beginMs = performance.now();
const endMs = beginMs + Number(seconds) * 1_000;
let count = 0;
async function caller(): Promise<void> {
  while (performance.now() < endMs) {
    await journal.append([record]);
    count += 1;
  }
}
await Promise.all(Array.from({ length: CALLERS }, caller));
const ms = performance.now() - beginMs;
await journal[Symbol.asyncDispose]();
await following;
console.log(JSON.stringify({ count, ms }));
