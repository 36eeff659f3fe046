/** What everybody sees of a run: its row, from what the agent knows of it. */
import { errorCodes } from '../../base/errors.ts';
import type { Shape } from '../../net/bodies.ts';
import { hasEnded, visible } from '../../supervisor/states.ts';
import type { StoredRun } from './events.ts';
import { collects } from './results.ts';

/** The server adds the names it knows. */
export function rowOf({ process, order }: StoredRun): Shape<'process'> {
  const { errorCode } = process;
  const over = hasEnded(process.state);
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
      [process.reason, over ? undefined : process.outside].filter(Boolean).join('; ') || undefined,
    errorCode: errorCode === undefined ? undefined : errorCodes[errorCode].number,
    createdAt: order.at ?? process.createdAt,
    suspendedAt: process.suspendedAt,
    suspendedBy: process.suspendedAt === undefined ? undefined : process.suspendedBy,
    wish: process.wish,
    operation: order.operation,
    cpuMs: process.cpuMs,
    maxMemoryBytes: process.maxMemoryBytes,
    command: order.spec?.command,
    who: order.who,
    collects: collects(order) ? true : undefined,
  };
}
