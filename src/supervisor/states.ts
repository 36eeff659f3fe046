/**
 * The states of a run by name, and what people see of them (CLI contract, "States"). What leads
 * from one to another is the table (table.ts).
 */

/** What people see (CLI contract, "States"). */
export type VisibleState =
  | 'pending'
  | 'armed'
  | 'running'
  | 'suspended'
  | 'stopping'
  | 'exited'
  | 'failed'
  | 'lost'
  /** Seen by nobody: it is told to the server, which then forgets the run. */
  | 'disarmed';

export const states = [
  'pending',
  'launching',
  'armed',
  'disarming',
  'running',
  'freezing',
  'suspended',
  'thawing',
  'stopping',
  'killing',
  'leaving',
  'clearing',
  'losing',
  'backoff',
  'exited',
  'failed',
  'lost',
  'disarmed',
] as const;
export type State = (typeof states)[number];

export const visible: Readonly<Record<State, VisibleState>> = {
  pending: 'pending',
  launching: 'pending',
  armed: 'armed',
  disarming: 'armed',
  running: 'running',
  freezing: 'running',
  suspended: 'suspended',
  thawing: 'suspended',
  stopping: 'stopping',
  killing: 'stopping',
  leaving: 'stopping',
  clearing: 'stopping',
  losing: 'stopping',
  backoff: 'pending',
  exited: 'exited',
  failed: 'failed',
  lost: 'lost',
  disarmed: 'disarmed',
};

export function hasEnded(state: State): boolean {
  switch (state) {
    case 'exited':
    case 'failed':
    case 'lost':
    case 'disarmed':
      return true;
    default:
      return false;
  }
}

/** Nothing of the program has run. */
export function isWaiting(state: State): boolean {
  switch (state) {
    case 'pending':
    case 'launching':
    case 'armed':
    case 'disarming':
      return true;
    default:
      return false;
  }
}
