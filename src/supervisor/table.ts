/**
 * The life of one run as data: states × events, every cell written.
 *
 * It knows neither pids nor clocks. A cell is `ignore`, `impossible` (our bug: an assertion) or
 * the next state with what has to be done. Whatever leads to a cell that is not `ignore` replaces
 * the run's one deadline, so no stale timer ever fires; `keep-deadline` is the one exception.
 *
 * The idea of the end: a run is over when nothing of its tree lives. `leaving` has seen the main
 * process's end and gives the rest TERM and the grace; `clearing` has sent it KILL; `killing` has
 * sent KILL and awaits the main process's end; `losing` has lost the shim, which alone could have
 * known the end, so that the run will be `lost`, never guessed. A run that has ended and is to live
 * again by its restart policy (restart.ts judges) waits in `backoff` for its next launch; one whose
 * restarts are used up is `failed`. Someone else's SIGSTOP or freeze is no event here. A run that
 * waits for its instant at the shim's gate is `armed`; whoever stops it then cancels it: nothing of
 * its program ever ran. `disarming`: it shall not fire after all, and the shim has been asked to
 * cancel it; whether it does, or has fired it already, is the shim's to say. A run that was
 * `disarmed` never was: nothing of it stays.
 *
 * Reference: style R3; CLI contract, "Run", "States".
 */

import type { State } from './states.ts';

export const events = [
  /** Everything it waited for is there; or it never will be. */
  'go',
  'give-up',
  /** Ready, held until its instant (told again when that moved). */
  'armed',
  /** The program's exec was seen; or it will not be. */
  'started',
  'launch-failed',
  /** It shall not fire: taken back if that is still possible; and it was. */
  'disarm',
  'disarmed',
  'want-suspend',
  'want-resume',
  'want-stop',
  'want-kill',
  'frozen',
  'freeze-failed',
  'thawed',
  'thaw-failed',
  /** The main process has ended: nothing is left of its tree, or something is. */
  'ended',
  'ended-leaving',
  /** The shim says that nothing of the tree lives; it ends. */
  'gone',
  /** KILL of the whole tree: seen to be gone, or not in time. */
  'cleared',
  'stuck',
  /** The shim died. */
  'detached',
  'deadline',
  /** It has ended, and its restart policy says: again; or: no more. */
  'revive',
  'use-up',
  /** It gives no sign of life: it is ended here, and its restart policy or more decides on. */
  'hung',
  /** It makes room for another: it is ended here, and begins again when there is room. */
  'give-way',
] as const;
export type Event = (typeof events)[number];

export type Action =
  | 'launch'
  /** What waits at its gate is cancelled, unless it has passed it. */
  | 'cancel'
  | 'freeze'
  | 'thaw'
  /** Thaw, then the stop signal to the whole tree. */
  | 'terminate'
  | 'kill-tree'
  | 'arm-grace'
  | 'arm-kill'
  | 'arm-backoff'
  | 'keep-deadline'
  | 'note-stuck'
  /** The run is over: its group and socket go. */
  | 'release';

export type Cell = readonly [next: State, ...actions: readonly Action[]] | 'ignore' | 'impossible';

const stop: Cell = ['stopping', 'terminate', 'arm-grace'];
const kill: Cell = ['killing', 'kill-tree', 'arm-kill'];
const leave: Cell = ['leaving', 'terminate', 'arm-grace'];
const clear: Cell = ['clearing', 'kill-tree', 'arm-kill'];
const lose: Cell = ['losing', 'kill-tree', 'arm-kill'];
const exit: Cell = ['exited', 'release'];
const fail: Cell = ['failed', 'release'];
const takeBack: Cell = ['disarming', 'cancel'];
const never: Cell = ['disarmed', 'release'];

/** What can still come in after the end: late results, and a shim's last words told again. */
const over: Readonly<Record<Event, Cell>> = {
  ...{ disarm: 'ignore', disarmed: 'ignore' },
  ...{ go: 'impossible', 'give-up': 'impossible', started: 'ignore', 'launch-failed': 'ignore' },
  armed: 'ignore',
  ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore' },
  ...{ 'want-stop': 'ignore', 'want-kill': 'ignore' },
  ...{ frozen: 'ignore', 'freeze-failed': 'ignore', thawed: 'ignore', 'thaw-failed': 'ignore' },
  ...{ ended: 'ignore', 'ended-leaving': 'ignore', gone: 'ignore' },
  ...{ cleared: 'ignore', stuck: 'ignore', detached: 'ignore', deadline: 'impossible' },
  ...{ revive: 'impossible', 'use-up': 'impossible', hung: 'ignore' },
  'give-way': 'ignore',
};
const again: Cell = ['backoff', 'arm-backoff'];
/** Its exec was seen. */
const begun = {
  ...({ go: 'impossible', 'give-up': 'impossible', armed: 'ignore' } as const),
  ...({ started: 'ignore', 'launch-failed': 'impossible' } as const),
  ...({ disarm: 'ignore', disarmed: 'impossible' } as const),
};
/** Whoever is held, or on the way out, is not judged by its signs of life. */
const noRevival = {
  ...({ revive: 'impossible', 'use-up': 'impossible', hung: 'ignore' } as const),
  ...({ 'give-way': 'ignore' } as const),
};

export const table: Readonly<Record<State, Readonly<Record<Event, Cell>>>> = {
  pending: {
    ...{ go: ['launching', 'launch'], 'give-up': fail },
    ...{ armed: 'impossible', disarm: never, disarmed: 'impossible' },
    ...{ started: 'impossible', 'launch-failed': 'impossible' },
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore', 'want-stop': fail, 'want-kill': fail },
    ...{ frozen: 'impossible', 'freeze-failed': 'impossible' },
    ...{ thawed: 'impossible', 'thaw-failed': 'impossible' },
    ...{ ended: 'impossible', 'ended-leaving': 'impossible', gone: 'impossible' },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: 'impossible' },
    ...{ deadline: 'impossible' },
    ...noRevival,
  },
  launching: {
    ...{ go: 'ignore', 'give-up': 'ignore', started: ['running'], 'launch-failed': fail },
    ...{ armed: ['armed'], disarm: takeBack, disarmed: never },
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore', 'want-stop': kill, 'want-kill': kill },
    // What was still being done to the tree of the launch before this one.
    ...{ frozen: 'ignore', 'freeze-failed': 'ignore', thawed: 'ignore', 'thaw-failed': 'ignore' },
    ...{ ended: 'impossible', 'ended-leaving': 'impossible', gone: lose },
    ...{ cleared: 'ignore', stuck: 'ignore', detached: lose, deadline: 'impossible' },
    ...noRevival,
  },
  armed: {
    ...{ go: 'ignore', 'give-up': 'ignore' },
    ...{ armed: 'ignore', disarm: takeBack, disarmed: never },
    ...{ started: ['running'], 'launch-failed': fail },
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore', 'want-stop': kill, 'want-kill': kill },
    ...{ frozen: 'impossible', 'freeze-failed': 'impossible' },
    ...{ thawed: 'impossible', 'thaw-failed': 'impossible' },
    ...{ ended: 'impossible', 'ended-leaving': 'impossible', gone: lose },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: lose, deadline: 'impossible' },
    ...noRevival,
  },
  disarming: {
    ...{ go: 'ignore', 'give-up': 'ignore' },
    ...{ armed: 'ignore', disarm: 'ignore', disarmed: never },
    ...{ started: ['running'], 'launch-failed': fail },
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore', 'want-stop': kill, 'want-kill': kill },
    ...{ frozen: 'impossible', 'freeze-failed': 'impossible' },
    ...{ thawed: 'impossible', 'thaw-failed': 'impossible' },
    ...{ ended: 'impossible', 'ended-leaving': 'impossible', gone: lose },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: lose, deadline: 'impossible' },
    ...noRevival,
  },
  running: {
    ...begun,
    ...{ 'want-suspend': ['freezing', 'freeze'], 'want-resume': 'ignore' },
    ...{ 'want-stop': stop, 'want-kill': kill },
    ...{ frozen: 'impossible', 'freeze-failed': 'impossible' },
    ...{ thawed: 'impossible', 'thaw-failed': 'impossible' },
    ...{ ended: exit, 'ended-leaving': leave, gone: lose },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: lose, deadline: 'impossible' },
    ...noRevival,
    ...{ hung: stop, 'give-way': stop },
  },
  freezing: {
    ...begun,
    ...{ 'want-suspend': 'ignore', 'want-resume': 'impossible' },
    ...{ 'want-stop': stop, 'want-kill': kill },
    ...{ frozen: ['suspended'], 'freeze-failed': ['running'] },
    ...{ thawed: 'impossible', 'thaw-failed': 'impossible' },
    ...{ ended: exit, 'ended-leaving': leave, gone: lose },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: lose, deadline: 'impossible' },
    ...noRevival,
  },
  suspended: {
    ...begun,
    ...{ 'want-suspend': 'ignore', 'want-resume': ['thawing', 'thaw'] },
    ...{ 'want-stop': stop, 'want-kill': kill },
    ...{ frozen: 'impossible', 'freeze-failed': 'impossible' },
    ...{ thawed: 'impossible', 'thaw-failed': 'impossible' },
    ...{ ended: exit, 'ended-leaving': leave, gone: lose },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: lose, deadline: 'impossible' },
    ...noRevival,
  },
  thawing: {
    ...begun,
    ...{ 'want-suspend': 'impossible', 'want-resume': 'ignore' },
    ...{ 'want-stop': stop, 'want-kill': kill },
    ...{ frozen: 'impossible', 'freeze-failed': 'impossible' },
    ...{ thawed: ['running'], 'thaw-failed': ['suspended'] },
    ...{ ended: exit, 'ended-leaving': leave, gone: lose },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: lose, deadline: 'impossible' },
    ...noRevival,
  },
  stopping: {
    ...begun,
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore' },
    ...{ 'want-stop': 'ignore', 'want-kill': kill },
    ...{ frozen: 'ignore', 'freeze-failed': 'ignore', thawed: 'ignore', 'thaw-failed': 'ignore' },
    // The rest had the signal with the main process: its grace goes on, it does not begin anew.
    ...{ ended: exit, 'ended-leaving': ['leaving', 'keep-deadline'], gone: lose },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: lose, deadline: kill },
    ...noRevival,
  },
  killing: {
    // KILL may have come before the program's process was in the tree.
    ...{ go: 'impossible', 'give-up': 'impossible', started: kill, 'launch-failed': fail },
    ...{ armed: kill, disarm: 'ignore', disarmed: fail },
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore' },
    ...{ 'want-stop': 'ignore', 'want-kill': 'ignore' },
    ...{ frozen: 'ignore', 'freeze-failed': 'ignore', thawed: 'ignore', 'thaw-failed': 'ignore' },
    ...{ ended: exit, 'ended-leaving': clear, gone: lose },
    // Gone from the tree: the shim tells how the main process ended.
    ...{ cleared: 'ignore', stuck: ['killing', 'note-stuck', 'arm-kill'], detached: lose },
    ...{ deadline: kill },
    ...noRevival,
  },
  leaving: {
    ...begun,
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore' },
    // It ends already; that it shall stay down has to be known when it has.
    ...{ 'want-stop': ['leaving', 'keep-deadline'], 'want-kill': clear },
    ...{ frozen: 'ignore', 'freeze-failed': 'ignore', thawed: 'ignore', 'thaw-failed': 'ignore' },
    ...{ ended: exit, 'ended-leaving': 'ignore', gone: exit },
    ...{ cleared: 'impossible', stuck: 'impossible', detached: clear, deadline: clear },
    ...noRevival,
  },
  clearing: {
    ...begun,
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore' },
    ...{ 'want-stop': ['clearing', 'keep-deadline'], 'want-kill': ['clearing', 'keep-deadline'] },
    ...{ frozen: 'ignore', 'freeze-failed': 'ignore', thawed: 'ignore', 'thaw-failed': 'ignore' },
    ...{ ended: exit, 'ended-leaving': 'ignore', gone: exit },
    ...{ cleared: exit, stuck: ['clearing', 'note-stuck', 'arm-kill'], detached: 'ignore' },
    ...{ deadline: clear },
    ...noRevival,
  },
  losing: {
    ...{ go: 'impossible', 'give-up': 'impossible' },
    ...{ armed: 'ignore', disarm: 'ignore', disarmed: 'ignore' },
    ...{ started: 'ignore', 'launch-failed': 'ignore' },
    ...{ 'want-suspend': 'ignore', 'want-resume': 'ignore' },
    ...{ 'want-stop': ['losing', 'keep-deadline'], 'want-kill': ['losing', 'keep-deadline'] },
    ...{ frozen: 'ignore', 'freeze-failed': 'ignore', thawed: 'ignore', 'thaw-failed': 'ignore' },
    ...{ ended: 'ignore', 'ended-leaving': 'ignore', gone: 'ignore' },
    ...{ cleared: ['lost', 'release'], stuck: ['losing', 'note-stuck', 'arm-kill'] },
    ...{ detached: 'ignore', deadline: lose },
    ...noRevival,
  },
  backoff: {
    ...over,
    ...{ 'want-stop': exit, 'want-kill': exit, deadline: ['launching', 'launch'] },
  },
  exited: { ...over, revive: again, 'use-up': fail },
  failed: over,
  lost: { ...over, revive: again, 'use-up': fail },
  disarmed: over,
};
