/**
 * One run driven over the table: facts and events in, the next facts and what to do out.
 *
 * Pure, and no more than a fold: `advance` knows no other run, no order and no file. A `Process`
 * is plain data, so that it can be stored as it is after each step. Which verb may be asked of a
 * process in which state, and what is answered where there is nothing to do, is the table of the
 * CLI contract under "Words" (base/verbs.ts).
 */
import { assert } from '../base/assert.ts';
import type { ErrorCode } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Judged } from '../base/verbs.ts';
import { because, type End, type Ending, endFacts, endingFacts } from './end.ts';
import { type Preempted, preemptedBy, wantedBy } from './preemption.ts';
import { again, relaunched } from './relaunch.ts';
import { hasEnded, type State, visible } from './states.ts';
import { type Action, type Event, table } from './table.ts';

export interface StopRule {
  readonly signal: string;
  readonly graceMs: number;
}

export interface Process {
  readonly run: string;
  readonly state: State;
  readonly wish: 'up' | 'down';
  readonly stop: StopRule;
  /** Launches after the first one; also the number of the launch. */
  readonly restarts: number;
  /** Restarts in a row, without a healthy time between them. */
  readonly streak?: number | undefined;
  /** True time of the next launch, while it waits for it. */
  readonly revivesAt?: number | undefined;
  readonly createdAt: number;
  readonly pid?: number | undefined;
  readonly startTicks?: number | undefined;
  readonly startedAt?: number | undefined;
  /** How wrong the clock may have been then; undefined: not known. */
  readonly startErrorUs?: number | undefined;
  readonly suspendedAt?: number | undefined;
  readonly suspendedBy?: string | undefined;
  /** It makes room for another, or did and waits for room again. */
  readonly preempted?: Preempted | undefined;
  /** When the program of its first launch began, and how long it was suspended since. */
  readonly begunAt?: number | undefined;
  readonly heldMs?: number | undefined;
  /** When it was last no longer suspended. */
  readonly releasedAt?: number | undefined;
  /** Of this launch: what the program says of itself (sd_notify(3)). */
  readonly ready?: boolean | undefined;
  readonly status?: string | undefined;
  /** When its last WATCHDOG=trigger came, on CLOCK_MONOTONIC: told again, it is the same. */
  readonly triggeredUs?: number | undefined;
  /** What somebody else has done to it. */
  readonly outside?: string | undefined;
  /** Why this launch is being ended, where nobody ordered it. */
  readonly ending?: Ending | undefined;
  /** Why the launch before this one was. */
  readonly replaces?: string | undefined;
  readonly exitedAt?: number | undefined;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  /** How the launch before this one ended. */
  readonly lastExitCode?: number | undefined;
  readonly lastSignal?: string | undefined;
  readonly cpuMs?: number | undefined;
  readonly maxMemoryBytes?: number | undefined;
  readonly reason?: string | undefined;
  readonly errorCode?: ErrorCode | undefined;
  /** The last lines on stderr of a process that ended badly. */
  readonly tail?: string | undefined;
  /** What went wrong with the last freeze or thaw: for the order that asked for it. */
  readonly fault?: string | undefined;
  /** Monotonic; means nothing to another life of the agent. */
  readonly deadlineMs?: number | undefined;
}

/** The exec, as its shim measured it: in true time, with the clock's error. */
export interface Began {
  readonly pid: number;
  readonly startTicks: number;
  readonly atUs: number;
  readonly errorUs?: number | undefined;
}

/** An event with what it says; most say nothing more. */
export interface Input {
  readonly event: Event;
  readonly started?: Began | undefined;
  readonly end?: End | undefined;
  readonly reason?: string | undefined;
  readonly errorCode?: ErrorCode | undefined;
  readonly stop?: Partial<StopRule> | undefined;
  readonly ending?: Ending | undefined;
  /** Who ordered it; nobody where the run makes room for another. */
  readonly who?: string | undefined;
  readonly isPreemption?: boolean | undefined;
  readonly revival?: { readonly inMs: number; readonly streak: number } | undefined;
}

export interface Step {
  readonly process: Process;
  readonly actions: readonly Action[];
}

export interface Reading {
  readonly nowMs: number;
  readonly atUs: number;
}

export function newProcess(
  run: string,
  createdAt: number,
  stop: { readonly signal?: string | undefined; readonly graceMs?: number | undefined } = {},
): Process {
  const { signal = 'SIGTERM', graceMs = limits.stopGraceMs } = stop;
  const rule = { signal, graceMs };
  return { run, state: 'pending', wish: 'up', stop: rule, restarts: 0, createdAt };
}

export function advance(process: Process, input: Input, now: Reading): Step {
  const { event } = input;
  const cell = table[process.state][event];
  assert(cell !== 'impossible', `${event} of run ${process.run} while ${process.state}`);
  if (cell === 'ignore') return { process, actions: [] };
  const [state, ...actions] = cell;
  const told = facts(process, input);
  const deadlineMs = actions.includes('keep-deadline') ? process.deadlineMs : undefined;
  let next: Process = { ...process, ...told, state, deadlineMs };
  if (state === 'suspended' && process.state === 'freezing') {
    next = { ...next, suspendedAt: now.atUs };
  } else if (state !== 'suspended' && state !== 'thawing') next = released(next, now);
  next = preemptedBy(next);
  if (hasEnded(state)) next = ended(next, now);
  if (actions.includes('arm-grace')) {
    next = { ...next, deadlineMs: now.nowMs + next.stop.graceMs };
  }
  if (process.state === 'backoff' && state === 'launching') next = relaunched(next);
  if (actions.includes('arm-backoff')) next = again(next, input, now);
  if (actions.includes('arm-kill')) next = { ...next, deadlineMs: now.nowMs + KILL_AGAIN_MS };
  return { process: next, actions };
}

/** A kill that was not seen to work is repeated: forks may outrun it, a disk may hold a process. */
const KILL_AGAIN_MS = limits.killTreeMs + 1_000;

/** What the event says about the process, whatever state it leads to. */
function facts(process: Process, input: Input): Partial<Process> {
  const { event, started, end, reason, errorCode } = input;
  switch (event) {
    case 'started':
      if (!started) return {};
      return {
        ...{ pid: started.pid, startTicks: started.startTicks, startedAt: started.atUs },
        ...{ startErrorUs: started.errorUs, begunAt: process.begunAt ?? started.atUs },
        reason: process.replaces && `restarted: ${process.replaces}`,
      };
    case 'ended':
    case 'ended-leaving':
      return end ? endFacts(end, process.ending) : {};
    case 'want-stop':
    case 'want-kill': {
      const stop = { ...process.stop, ...input.stop };
      return isHeld(process.state)
        ? { wish: 'down', stop, reason: 'cancelled', errorCode: 'cancelled' }
        : { wish: 'down', stop, ...endingFacts(input.ending) };
    }
    case 'hung':
    case 'give-way':
      return endingFacts(input.ending);
    case 'want-suspend':
      return { fault: undefined, ...wantedBy(process, input) };
    case 'want-resume':
      return { fault: undefined };
    case 'freeze-failed':
    case 'thaw-failed':
      return { fault: reason ?? 'the kernel did not say why' };
    case 'launch-failed':
      if (process.wish === 'down') return { reason: 'cancelled', errorCode: 'cancelled' };
      return { reason, errorCode: errorCode ?? 'exec-failed' };
    case 'disarmed':
      return process.wish === 'down' ? { reason: 'cancelled', errorCode: 'cancelled' } : {};
    case 'give-up':
      if (process.errorCode === 'cancelled') return {};
      return { reason, errorCode: errorCode ?? 'exec-failed' };
    case 'gone':
      return process.exitedAt === undefined
        ? { reason: 'the shim ended without saying how the program did', errorCode: 'lost' }
        : {};
    case 'detached':
      return process.exitedAt === undefined
        ? { reason: reason ?? 'the shim died', errorCode: 'lost' }
        : {};
    case 'use-up':
      return { reason, errorCode: 'failed' };
    case 'stuck':
      return { reason: reason ?? 'the kernel does not let go of a process' };
    case 'cleared':
      if (reason === undefined) return {};
      return { reason: process.reason === undefined ? reason : `${process.reason}; ${reason}` };
    case 'deadline':
      if (process.state === 'stopping' || process.state === 'leaving') {
        const { signal } = { ...process.stop, ...process.ending };
        const seconds = process.stop.graceMs / 1000;
        const late = `did not end within ${seconds} s of ${signal}; killed`;
        return { reason: because(process.ending, late) };
      }
      return {};
    default:
      return {};
  }
}

/** Nothing of its program has run, and nothing will unless somebody lets it. */
function isHeld(state: State): boolean {
  return state === 'pending' || state === 'armed' || state === 'disarming';
}

/** No longer suspended: what that took is no part of its time. */
function released(process: Process, { atUs }: Reading): Process {
  const { suspendedAt, heldMs = 0, state } = process;
  if (state === 'freezing') return process;
  const free = { ...process, suspendedAt: undefined, suspendedBy: undefined };
  if (suspendedAt === undefined) return free;
  return { ...free, releasedAt: atUs, heldMs: heldMs + Math.max(0, atUs - suspendedAt) / 1000 };
}

function ended(process: Process, now: Reading): Process {
  const { exitedAt = now.atUs, exitCode, signal } = process;
  const over = { ...process, exitedAt, deadlineMs: undefined, fault: undefined };
  if (process.state !== 'exited' || exitCode !== undefined || signal !== undefined) return over;
  // Told to stay down before its next launch, after one whose end nobody saw.
  return { ...over, state: 'lost', errorCode: 'lost' };
}

/** Its program runs and is not being ended, held or not. */
export function isUp(state: State): boolean {
  return (
    state === 'running' || state === 'freezing' || state === 'suspended' || state === 'thawing'
  );
}

/** A program that is being ended asks for time (EXTEND_TIMEOUT_USEC). */
export function extended(
  { state, deadlineMs }: Process,
  { nowMs }: Reading,
  ms: number,
): Partial<Process> {
  if (deadlineMs === undefined || (state !== 'stopping' && state !== 'leaving')) return {};
  return { deadlineMs: Math.max(deadlineMs, nowMs + ms) };
}

/** How long the run has run, without the time it was suspended. */
export function ranMs({ begunAt, heldMs = 0, suspendedAt }: Process, { atUs }: Reading): number {
  if (begunAt === undefined) return 0;
  const heldNowUs = suspendedAt === undefined ? 0 : atUs - suspendedAt;
  return Math.max(0, (atUs - begunAt - heldNowUs) / 1000 - heldMs);
}

// ---- verbs ----

/** It is on its way out by itself, and its policy may bring it back: `stop` is not done yet. */
export function mayComeBack(process: Process | undefined): boolean {
  return judgedState(process) === 'stopping' && process?.wish === 'up';
}

export function judgedState(process: Process | undefined): Judged {
  if (!process || hasEnded(process.state)) return 'none';
  const state = visible[process.state];
  return state === 'running' || state === 'suspended' || state === 'stopping' ? state : 'pending';
}
