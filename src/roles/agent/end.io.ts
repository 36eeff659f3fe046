/**
 * How a run ended: what its shim saw, with what only this node can still say of it: the last lines
 * of its stderr, and whether the kernel killed for want of memory, which no exit status tells.
 */
import type { End } from '../../supervisor/process.ts';
import type { Exited } from '../../supervisor/shim.ts';
import type { RunTrees } from '../../supervisor/tree.io.ts';
import { type Said, withTail } from './tail.io.ts';

export interface EndPlace {
  readonly run: string;
  readonly trees: RunTrees;
  /** Without it, what it wrote is not asked for. */
  readonly said?: Said | undefined;
}

export function endOf(event: Exited, { run, trees, said }: EndPlace): End {
  const oomKills = trees.oomKills(run);
  const end: End = {
    how: event.how,
    value: event.value,
    cpuMs: Math.round((event.userUs + event.systemUs) / 1000),
    maxMemoryBytes: event.maxRssKiB * 1024,
    atUs: event.realUs,
  };
  const told = said === undefined ? end : withTail(end, said);
  return oomKills > 0 ? { ...told, oomKills } : told;
}
