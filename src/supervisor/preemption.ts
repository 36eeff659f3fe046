/**
 * What a run is told of that makes room for another (docs/PRIORITIES.md). It is marked durably
 * before anything is done to it, so that no life of the agent finds it frozen and knows nobody who
 * did it. The mark stays until it goes on. Pure.
 */
import type { Input, Process } from './process.ts';

export interface Preempted {
  /** For which run, of which task, how urgent. */
  readonly run: string;
  readonly task?: string | undefined;
  readonly priority: number;
  readonly how: 'suspend' | 'kill';
  readonly atUs: number;
  /** Its slots and cores were given back: it was seen suspended. */
  readonly gave?: true | undefined;
  /** Somebody wants it suspended as well: it does not go on by itself. */
  readonly held?: true | undefined;
}

/** Who wants it suspended: the need for room, or somebody. */
export function wantedBy(process: Process, { isPreemption, who }: Input): Partial<Process> {
  const { preempted } = process;
  if (isPreemption) return { suspendedBy: undefined };
  // It was to be stopped for another, and is held now: what it holds, it keeps.
  if (preempted?.how !== 'suspend') return { suspendedBy: who, preempted: undefined };
  return { suspendedBy: who, preempted: { ...preempted, held: true } };
}

/** The mark in the state that the process has come to. */
export function preemptedBy(process: Process): Process {
  const { preempted, state } = process;
  if (!preempted) return process;
  if (state === 'suspended') return { ...process, preempted: { ...preempted, gave: true } };
  const goesOn = state === 'running' || state === 'launching';
  return goesOn ? { ...process, preempted: undefined } : process;
}

/** It waits, suspended, for nothing but room. */
export function isPreempted(process: Process | undefined): boolean {
  return process?.state === 'suspended' && !!process.preempted && !process.preempted.held;
}

type Named = Pick<Preempted, 'task' | 'run' | 'priority'>;

export function preemptorText({ task, run, priority }: Named): string {
  const what = task === undefined ? `run ${run}` : `task "${task}"`;
  return `${what} (priority ${priority})`;
}
