/** Deeds that are one write to a control group: those a shim can do at an instant by itself. */
import type { TimedAct } from './events.ts';

const acts: Readonly<Record<string, TimedAct | undefined>> = {
  ...{ suspend: 'freeze', resume: 'thaw', kill: 'kill' },
};

/** What a shim can do of an action; undefined: nothing. */
export const timedAct = (action: string): TimedAct | undefined => acts[action];
