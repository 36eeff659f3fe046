/** What everybody sees of a run: its row, from what the agent knows of it. */
import { errorCodes } from '../../base/errors.ts';
import type { Shape } from '../../net/bodies.ts';
import { preemptorText } from '../../supervisor/preemption.ts';
import type { Process } from '../../supervisor/process.ts';
import { hasEnded, visible } from '../../supervisor/states.ts';
import type { StoredRun } from './events.ts';
import { collects } from './results.ts';

/** The server adds the names it knows. */
export function rowOf({ process, order }: StoredRun): Shape<'process'> {
  const { errorCode } = process;
  const over = hasEnded(process.state);
  const preempted = outOfRoom(process);
  return {
    run: process.run,
    task: order.task,
    processState: visible[process.state],
    pid: over ? undefined : process.pid,
    startedAt: process.startedAt,
    exitedAt: over ? process.exitedAt : undefined,
    exitCode: over ? process.exitCode : undefined,
    signal: over ? process.signal : undefined,
    restarts: process.restarts,
    bundle: order.digest,
    status: over ? undefined : process.status,
    ready: over || process.startedAt === undefined ? undefined : (process.ready ?? false),
    reason:
      [process.reason, preempted?.text, over ? undefined : process.outside]
        .filter(Boolean)
        .join('; ') || undefined,
    errorCode: errorCode === undefined ? undefined : errorCodes[errorCode].number,
    createdAt: order.at ?? process.createdAt,
    suspendedAt: process.suspendedAt,
    suspendedBy: process.suspendedAt === undefined ? undefined : process.suspendedBy,
    preemptedBy: preempted?.run,
    wish: process.wish,
    operation: order.operation,
    cpuMs: process.cpuMs,
    maxMemoryBytes: process.maxMemoryBytes,
    command: order.spec?.command,
    who: order.who,
    collects: collects(order) ? true : undefined,
  };
}

/** For which run it made room, until it goes on; of one that begins anew its reason says so. */
function outOfRoom({ state, preempted }: Process): { run: string; text?: string } | undefined {
  if (!preempted || (state !== 'suspended' && state !== 'backoff')) return undefined;
  const { run } = preempted;
  if (state === 'backoff' && preempted.how === 'kill') return { run };
  const then = preempted.held
    ? 'has no room until that is there again'
    : 'goes on when there is room';
  return { run, text: `made room for ${preemptorText(preempted)}; ${then}` };
}
