/** Who holds the room of a node that somebody waits for. Pure. */
import { few } from '../../base/few.ts';
import type { Shape } from '../../net/layout.ts';
import { askOf, askText } from '../../supervisor/room.ts';

type Process = Shape<'process'>;

/** A live run of whatever task, as far as its task is known. */
export interface Rival {
  readonly process: Process;
  readonly spec: Shape<'spec'>;
}

const NAMED = 5;

/** Suspended for nothing but want of room. */
export const isPreempted = ({ processState, preemptedBy, suspendedBy: by }: Process): boolean =>
  processState === 'suspended' && preemptedBy !== undefined && by === undefined;

export const wantsRoom = (process: Process): boolean =>
  isPreempted(process) ||
  (process.processState === 'pending' &&
    (process.preemptedBy !== undefined || (process.reason ?? '').startsWith('waits for room')));

const has: ReadonlySet<string> = new Set(['armed', 'running', 'suspended', 'stopping']);

/** The most urgent first. */
export function heldBy(rivals: readonly Rival[], node: string | undefined): readonly string[] {
  const holders = rivals
    .filter(({ process }) => process.node === node && has.has(process.processState))
    .filter(({ process }) => !isPreempted(process))
    .flatMap(({ process, spec }) => {
      const asks = askText(askOf(spec, process.task !== undefined));
      const { priority = 0 } = spec;
      const what = `task "${process.task}" (${process.processState}, priority ${priority}, ${asks})`;
      return asks === '' ? [] : [{ priority, what }];
    })
    .sort((a, b) => b.priority - a.priority);
  if (holders.length === 0) return [];
  const named = holders.map(({ what }) => what);
  return [`the room of ${node} is held by ${few(named, NAMED)}`];
}
