/** Deeds that are done at an instant by a shim, or by a thread that does nothing else. */

/** The first three a shim can do by itself; `stop` is the stop signal, `signal` any other. */
export type TimedAct = 'freeze' | 'thaw' | 'kill' | 'stop' | 'signal';

/** A deed of a shim's, or of the thread that does what shims cannot, as it was measured there. */
export interface Acted {
  readonly act: TimedAct;
  readonly atUs: number;
  readonly errorUs?: number | undefined;
}

/** Of `stop` and `signal`: which, and of `signal` to which process. */
export interface Signalled {
  readonly signal?: string | undefined;
  readonly main?: { readonly pid: number; readonly startTicks: number } | undefined;
}

const acts: Readonly<Record<string, readonly TimedAct[]>> = {
  ...{ suspend: ['freeze'], resume: ['thaw'], kill: ['kill', 'signal'], stop: ['stop'] },
};

/** What an action may be there; none: nothing. */
export const timedActs = (action: string): readonly TimedAct[] => acts[action] ?? [];
