/**
 * The tables of liveness.ts: every cell written. A cell is `ignore`, or the next state and what it
 * brings with it.
 *
 * `phase` is where a launch is: `off` (nothing of the program runs, or it is being ended),
 * `starting` (it has not said yet that it is ready), `ready`, `reloading` (it said so, and will say
 * again that it is ready), `leaving` (it said that it is stopping). A `track` is one way of telling
 * life: `off` while nothing is counted, else what is known by it.
 */

export const phases = ['off', 'starting', 'ready', 'reloading', 'leaving'] as const;
export type Phase = (typeof phases)[number];
export type PhaseEvent = 'started' | 'ready' | 'reloading' | 'stopping' | 'ended';

type PhaseDeed = 'tell-ready' | 'tell-unready' | 'end-start' | 'begin-leave' | 'forget';
type PhaseCell = readonly [next: Phase, ...deeds: readonly PhaseDeed[]] | 'ignore';

const started: PhaseCell = ['starting'];
const ready: PhaseCell = ['ready', 'tell-ready', 'end-start'];
const leave: PhaseCell = ['leaving', 'tell-unready', 'end-start', 'begin-leave'];
const ended: PhaseCell = ['off', 'forget'];

export const phaseTable: Readonly<Record<Phase, Readonly<Record<PhaseEvent, PhaseCell>>>> = {
  off: { started, ready: 'ignore', reloading: 'ignore', stopping: 'ignore', ended: 'ignore' },
  // Who reloads before it was ever ready is starting still.
  starting: { started, ready, reloading: 'ignore', stopping: leave, ended },
  ready: {
    ...{ started, ready: 'ignore', reloading: ['reloading', 'tell-unready'] },
    ...{ stopping: leave, ended },
  },
  reloading: { started, ready, reloading: 'ignore', stopping: leave, ended },
  leaving: { started, ready: 'ignore', reloading: 'ignore', stopping: 'ignore', ended },
};

export const tracks = ['off', 'fine', 'quiet', 'hung'] as const;
export type Track = (typeof tracks)[number];
/** `half`, `full`: so much of what is granted has passed without life. */
export type TrackEvent = 'begin' | 'half' | 'full' | 'life' | 'leave';

type TrackDeed =
  | 'count-half'
  | 'count-anew'
  | 'count-full'
  | 'count-none'
  | 'warn'
  | 'hang'
  | 'calm';
type TrackCell = readonly [next: Track, ...deeds: readonly TrackDeed[]] | 'ignore';

const begin: TrackCell = ['fine', 'count-anew'];
const off: TrackCell = ['off', 'count-none'];

export const trackTable: Readonly<Record<Track, Readonly<Record<TrackEvent, TrackCell>>>> = {
  // The shim counts from the last sign, or from when it is first asked: a launch, a resume.
  off: {
    ...{ begin: ['fine', 'count-half'], half: 'ignore', full: 'ignore' },
    ...{ life: 'ignore', leave: 'ignore' },
  },
  fine: {
    ...{ begin, half: ['quiet', 'warn', 'count-full'], full: ['hung', 'hang'] },
    ...{ life: 'ignore', leave: off },
  },
  quiet: {
    ...{ begin, half: 'ignore', full: ['hung', 'hang'] },
    ...{ life: ['fine', 'calm', 'count-half'], leave: off },
  },
  hung: {
    ...{ begin, half: 'ignore', full: 'ignore' },
    ...{ life: ['fine', 'calm', 'count-half'], leave: off },
  },
};
