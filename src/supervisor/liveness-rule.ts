/**
 * What liveness (liveness.ts) is told and tells: the rule of a task, the state of one launch, what
 * may come in and what may have to be done.
 */
import type { Phase, Track } from './liveness-table.ts';

export type OnHang = 'restart' | 'abort' | 'continue' | 'notify';

export interface LivenessRule {
  readonly watchdogMs?: number | undefined;
  readonly startTimeoutMs?: number | undefined;
  readonly runTimeoutMs?: number | undefined;
  readonly health?: HealthRule | undefined;
  readonly onHang: OnHang;
  /** What a program that says it is stopping is given. */
  readonly graceMs: number;
}

export interface HealthRule {
  readonly everyMs: number;
  /** In a row; half of them are a warning. */
  readonly failures: number;
  /** From the start to the first check. */
  readonly delayMs: number;
}

/** What a hang was seen by. */
export type Cause = 'signs' | 'trigger' | 'health' | 'start';
export type Clock = 'start' | 'leave' | 'run' | 'check';

export interface Liveness {
  readonly phase: Phase;
  readonly held: boolean;
  readonly signs: Track;
  readonly health: Track;
  /** The watchdog's period: the program may set another than its task's. */
  readonly periodMs: number | undefined;
  /** Checks that failed in a row. */
  readonly failures: number;
  readonly checking: boolean;
  /** When each clock runs out; while the run is held, what is left of it. */
  readonly due: Readonly<Partial<Record<Clock, number>>>;
  /** Since when the shim is asked to tell what it has. */
  readonly markedMs?: number | undefined;
  /** A hang that nothing was done about yet. */
  readonly hang?: Cause | undefined;
  /** When what hung was last continued. */
  readonly continuedMs?: number | undefined;
}

export type LivenessInput =
  /** Its exec was so long ago; the run's first one, without what it was suspended, `ranMs` ago. */
  | { readonly event: 'started'; readonly sinceMs: number; readonly ranMs: number }
  | { readonly event: 'ready' | 'reloading' | 'stopping' | 'ended' }
  | { readonly event: 'suspended' | 'resumed' }
  | { readonly event: 'sign' | 'trigger' | 'marked' | 'tick' | 'inspected' }
  /** The shim: no sign for so long. */
  | { readonly event: 'quiet'; readonly silentMs: number }
  /** The program sets its watchdog's period (0: none), or asks for time. */
  | { readonly event: 'period' | 'extend'; readonly ms: number }
  | { readonly event: 'checked'; readonly result: 'passed' | 'failed' | 'void' };

export type LivenessAction =
  /** The shim shall tell of silence after so long; 0: never. `anew`: it counts from now. */
  | { readonly act: 'count'; readonly ms: number; readonly anew: boolean }
  | { readonly act: 'check' | 'mark' | 'ready' | 'unready' | 'calm' }
  /** Look at the tree, and tell; after a `hang` `inspected` is due. */
  | { readonly act: 'warn' | 'hang'; readonly cause: Cause }
  | { readonly act: 'restart' | 'abort' | 'continue'; readonly cause: Cause }
  /** It lasts too long; it said that it was stopping, and did not end. */
  | { readonly act: 'overdue' | 'linger' };

export interface LivenessStep {
  readonly liveness: Liveness;
  readonly actions: readonly LivenessAction[];
}
