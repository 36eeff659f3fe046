/**
 * start, suspend, resume, stop, kill, restart: what each makes of a process in each state, as one
 * table (CLI contract, "Words"). The server judges by its record, the node by the truth; both by
 * this. `signal` is `kill --signal`, which changes nothing else.
 */
import type { ErrorCode } from './errors.ts';

export type Verb = 'start' | 'suspend' | 'resume' | 'stop' | 'kill' | 'signal' | 'restart';
export type Judged = 'running' | 'suspended' | 'pending' | 'stopping' | 'none';

/** `act`: to be carried out; `done`: already so; else the reason it cannot be. */
export type Verdict = 'act' | 'done' | ErrorCode;

/** What is done: a kill with a signal of its own ends nothing by itself. */
export function verbWith(verb: string | undefined, signal: string | undefined): Verb {
  return verb === 'kill' && signal !== undefined ? 'signal' : (verb as Verb);
}

/** The same, where the process may be suspended for nothing but want of room. */
export function verdictOf(verb: Verb, judged: Judged, isPreempted: boolean): Verdict {
  if (!isPreempted || judged !== 'suspended') return verdicts[verb][judged];
  if (verb === 'suspend') return 'act';
  return verb === 'resume' || verb === 'start' ? 'preempted' : verdicts[verb][judged];
}

export const verdicts: Readonly<Record<Verb, Readonly<Record<Judged, Verdict>>>> = {
  start: {
    ...{ running: 'done', suspended: 'already-suspended', pending: 'done' },
    ...{ stopping: 'is-stopping', none: 'act' },
  },
  suspend: {
    ...{ running: 'act', suspended: 'done', pending: 'is-pending' },
    ...{ stopping: 'is-stopping', none: 'not-running' },
  },
  resume: {
    ...{ running: 'not-suspended', suspended: 'act', pending: 'is-pending' },
    ...{ stopping: 'is-stopping', none: 'not-running' },
  },
  stop: {
    ...{ running: 'act', suspended: 'act', pending: 'act', stopping: 'done', none: 'done' },
  },
  kill: {
    ...{ running: 'act', suspended: 'act', pending: 'act', stopping: 'act', none: 'not-running' },
  },
  signal: {
    ...{ running: 'act', suspended: 'act', pending: 'is-pending', stopping: 'act' },
    ...{ none: 'not-running' },
  },
  restart: {
    ...{ running: 'act', suspended: 'act', pending: 'act', stopping: 'act', none: 'act' },
  },
};
