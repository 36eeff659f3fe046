/**
 * How a run ended: what its shim saw, with what only this node can still say of it: the last lines
 * of its stderr, and whether the kernel killed for want of memory, which no exit status tells.
 */
import type { Instant } from '../../base/clock.ts';
import type { End } from '../../supervisor/end.ts';
import type { Exited } from '../../supervisor/shim.ts';
import type { RunTrees } from '../../supervisor/tree.io.ts';
import { type Said, withTail } from './tail.io.ts';

/** True time of what a shim saw, as far as this boot's clocks can say. */
export type TrueTime = (stamp: Stamp) => Instant;

export type Stamp = Pick<Exited, 'monotonicUs' | 'realUs'>;

/** The clocks of another boot are gone: what the system clock said then is all there is. */
export const asRecorded: TrueTime = ({ realUs }) => ({ atUs: realUs });

export interface EndPlace {
  readonly run: string;
  readonly trees: RunTrees;
  readonly trueAt: TrueTime;
  /** Without it, what it wrote is not asked for. */
  readonly said?: Said | undefined;
}

export function endOf(event: Exited, { run, trees, trueAt, said }: EndPlace): End {
  const oomKills = trees.oomKills(run);
  const end: End = {
    how: event.how,
    value: event.value,
    cpuMs: Math.round((event.userUs + event.systemUs) / 1000),
    maxMemoryBytes: event.maxRssKiB * 1024,
    atUs: trueAt(event).atUs,
  };
  const told = said === undefined ? end : withTail(end, said);
  return oomKills > 0 ? { ...told, oomKills } : told;
}
