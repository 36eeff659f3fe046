/**
 * A program to be killed: writes to a store as fast as it can and says on stdout, one line each,
 * what it was told is durable. `node flood.ts journal|tables PATH RUN`.
 */

import { writeSync } from 'node:fs';
import { JournalError } from '../../src/store/journal.ts';
import { openJournal } from '../../src/store/open-journal.io.ts';
import { openTables } from '../../src/store/tables.io.ts';

const [kind, path = '', run = ''] = process.argv.slice(2);
const submitters = 32;
/** Waits for whoever reads: an ack is said before anything that comes after it. */
function say(text: string): void {
  const line = Buffer.from(`${text}\n`);
  for (let at = 0; at < line.length; ) {
    try {
      at += writeSync(1, line, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}

async function floodJournal(): Promise<void> {
  const onWarning = (text: string): void => say(`warning ${text}`);
  const journal = await openJournal({ path, server: run, reserveBytes: 1 << 20, onWarning });
  say('open');
  let applied = 0;
  void (async () => {
    for await (const entries of journal.follow(journal.head.seq)) {
      applied = entries.at(-1)?.seq ?? applied;
      journal.project(
        entries.map(({ seq }) => ({ seq, n: 0, kind: 'event', at: seq, body: Buffer.from(run) })),
        applied,
      );
    }
  })();
  const submit = async (who: number): Promise<never> => {
    for (let round = 0; ; round += 1) {
      const value = `${run}.${who}.${round}.${'x'.repeat((who * 7 + round) % 200)}`;
      const { first } = await journal.append([Buffer.from(value)]);
      say(`acked ${first} ${value}`);
    }
  };
  for (let who = 0; who < submitters; who += 1) void submit(who);
  for (let last = 0; ; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (journal.head.seq - last < 1_000) continue;
    last = journal.head.seq;
    await journal.saveSnapshot(journal.head, [Buffer.from(`snapshot ${run}`)] as never);
  }
}

async function floodTables(): Promise<void> {
  const store = await openTables(path, { reserveBytes: 1 << 20 });
  say('open');
  const submit = async (who: number): Promise<never> => {
    for (let round = 0; ; round += 1) {
      const value = Buffer.from(`${run}.${round}`);
      const writes = [`a${who}`, `b${who}`].map((key) => ({ table: 't', key, value }));
      await store.commit(writes);
      say(`acked ${who} ${run}.${round}`);
    }
  };
  for (let who = 0; who < submitters; who += 1) void submit(who);
}

process.on('unhandledRejection', (error) => {
  say(`ended ${error instanceof JournalError ? error.fault : String(error)}`);
  process.exit(3);
});
if (kind === 'journal') void floodJournal();
else void floodTables();
