/** What a journal that cannot be written to says, and the way out of it. */

import { JournalError, type JournalState } from './journal.ts';

export const wayOut =
  'restore a newer backup, or accept the loss with `lotc server restore`: agents then report anew';

export function wentBack(path: string, headSeq: number, seenSeq: number): JournalError {
  const text = `${path} ends at record ${headSeq}, but was known to reach record ${seenSeq}`;
  return new JournalError('WentBack', text, { hint: wayOut });
}

/** Why a journal in this state takes no record, where nothing more exact is known. */
export function refusalOf(state: JournalState, path: string): JournalError {
  if (state === 'full') {
    return new JournalError('Full', `no space left for ${path}`, {
      hint: 'free space on its disk',
    });
  }
  return new JournalError('Closed', 'the journal is closed');
}
