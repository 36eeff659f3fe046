/**
 * What an admin's "accept the loss" does to a journal: what cannot be trusted is removed, the
 * rest goes on as a new history under a new id. The old id is remembered, so that a witness not
 * yet rewritten is understood.
 */

import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { transaction } from './database.io.ts';
import { type Inspection, walkChain } from './inspect.io.ts';
import type { Position } from './journal.ts';
import { metaNumber, setMeta } from './layout.io.ts';

export function acceptLoss(db: DatabaseSync, found: Inspection): void {
  transaction(db, () => {
    const head = found.broken ? cutAtBreak(db, found, found.broken.seq) : found.head;
    db.prepare('DELETE FROM snapshot WHERE seq > ?').run(head.seq);
    db.prepare('DELETE FROM history WHERE seq > ?').run(head.seq);
    setMeta(db, 'projected', Math.min(metaNumber(db, 'projected'), head.seq));
    setMeta(db, 'previous_id', found.id);
    setMeta(db, 'id', randomBytes(16));
  });
}

/** A snapshot behind the break, with an unbroken rest, saves more than what is before the break. */
function cutAtBreak(db: DatabaseSync, found: Inspection, brokenSeq: number): Position {
  const newest = found.snapshots.find(({ seq }) => seq >= brokenSeq);
  const rest = newest ? walkChain(db, newest) : undefined;
  if (newest && rest && !rest.broken) {
    db.prepare('DELETE FROM journal WHERE seq <= ?').run(newest.seq);
    db.prepare('DELETE FROM snapshot WHERE seq < ?').run(newest.seq);
    setMeta(db, 'base_seq', newest.seq);
    setMeta(db, 'base_crc', newest.crc);
    return rest.head;
  }
  db.prepare('DELETE FROM journal WHERE seq >= ?').run(brokenSeq);
  return found.head;
}
