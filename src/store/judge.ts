/**
 * Whether a journal found on disk may be written to. Pure: the findings come from inspect.io.ts.
 *
 * A tail that nobody was told of may be cut, with a warning. Anything that somebody was told of
 * and that is not here any more stops the server, until an admin accepts the loss; accepting it
 * starts a new history (a new journal id), so that no peer mistakes it for the old one.
 */

import { JournalError } from './journal.ts';
import type { Witness } from './record.ts';
import { wayOut, wentBack } from './refusal.ts';

export interface Findings {
  readonly id: Uint8Array;
  readonly previousId: Uint8Array | undefined;
  readonly epoch: number;
  readonly base: { readonly seq: number };
  readonly head: { readonly seq: number; readonly crc: number };
  readonly broken: { readonly seq: number; readonly why: string } | undefined;
  readonly torn: boolean;
  readonly witness: Witness | 'missing' | 'torn';
  readonly snapshots: readonly { readonly seq: number }[];
}

export interface Verdict {
  /** Why the journal must not be written to as it is. */
  readonly refusal: JournalError | undefined;
  readonly warnings: readonly string[];
}

export function judge(path: string, found: Findings): Verdict {
  const { id, head, broken, witness } = found;
  const warnings: string[] = [];
  let refusal: JournalError | undefined;
  if (broken) {
    const text = `${path} is damaged at record ${broken.seq}: ${broken.why}`;
    refusal = new JournalError('Damaged', text, { hint: wayOut });
  } else if (found.base.seq > 0 && !found.snapshots.some(({ seq }) => seq >= found.base.seq)) {
    const text = `${path} has no snapshot of its first ${found.base.seq} records`;
    refusal = new JournalError('Damaged', text, { hint: wayOut });
  } else if (typeof witness === 'string') {
    const missing = witness === 'missing' ? 'is missing' : 'is not readable';
    if (head.seq > 0) {
      warnings.push(`${path}.head ${missing}: a loss at the journal's end would not be noticed`);
    }
  } else {
    refusal = againstWitness(path, found, witness);
  }
  if (found.torn && !refusal) {
    warnings.push(
      `${path}: an unfinished write after record ${head.seq} was cut; nothing acknowledged was in it`,
    );
  }
  if (typeof witness === 'object' && sameBytes(witness.id, found.previousId) && !refusal) {
    warnings.push(`${path}.head still belonged to the history before this one (${hex(id)})`);
  }
  return { refusal, warnings };
}

function againstWitness(
  path: string,
  { id, previousId, epoch, head }: Findings,
  witness: Witness,
): JournalError | undefined {
  if (!sameBytes(witness.id, id)) {
    // The history before this one: its end was accepted, the witness was about to be rewritten.
    if (sameBytes(witness.id, previousId)) return undefined;
    const text = `${path}.head belongs to another journal (${hex(witness.id)}, not ${hex(id)})`;
    return new JournalError('Damaged', text, { hint: wayOut });
  }
  if (head.seq < witness.seq || epoch < witness.epoch) {
    return wentBack(path, head.seq, witness.seq);
  }
  if (head.seq === witness.seq && head.crc !== witness.crc) {
    const text = `record ${head.seq} of ${path} is not the one ${path}.head knows`;
    return new JournalError('Damaged', text, { hint: wayOut });
  }
  return undefined;
}

function sameBytes(left: Uint8Array, right: Uint8Array | undefined): boolean {
  return right !== undefined && Buffer.compare(left, right) === 0;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
