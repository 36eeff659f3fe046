/**
 * All commands of the console. They are light: what costs time to load (sockets, archives) is
 * loaded by the edge when a command needs it. `commandsFor` picks those a command line can mean,
 * because building a parser for all of them costs more than the round trip to the server.
 */
import type { CommandClass } from 'clipanion';
import type { AdminContext } from '../context.ts';
import { Batch } from './batch.ts';
import { BundleLs } from './bundle/ls.ts';
import { BundlePush } from './bundle/push.ts';
import { BundleRm } from './bundle/rm.ts';
import { BundleShow } from './bundle/show.ts';
import { Completion } from './completion.ts';
import { Events } from './events.ts';
import { Logs } from './logs.ts';
import { NodeLabel } from './node/label.ts';
import { NodeLs } from './node/ls.ts';
import { NodeRm } from './node/rm.ts';
import { NodeShow } from './node/show.ts';
import { OperationCancel } from './operation/cancel.ts';
import { OperationLs } from './operation/ls.ts';
import { OperationShow } from './operation/show.ts';
import { OperationWait } from './operation/wait.ts';
import { Ping } from './ping.ts';
import { ProcessLs } from './process/ls.ts';
import { Run } from './run.ts';
import { Stats } from './stats.ts';
import { TaskCreate } from './task/create.ts';
import { TaskDisable } from './task/disable.ts';
import { TaskEnable } from './task/enable.ts';
import { TaskHistory } from './task/history.ts';
import { TaskKill } from './task/kill.ts';
import { TaskLs } from './task/ls.ts';
import { TaskRestart } from './task/restart.ts';
import { TaskResume } from './task/resume.ts';
import { TaskRm } from './task/rm.ts';
import { TaskSet } from './task/set.ts';
import { TaskShow } from './task/show.ts';
import { TaskStart } from './task/start.ts';
import { TaskStop } from './task/stop.ts';
import { TaskSuspend } from './task/suspend.ts';
import { TokenCreate } from './token/create.ts';
import { TokenLs } from './token/ls.ts';
import { TokenRm } from './token/rm.ts';
import { Wait } from './wait.ts';

type AdminCommandClass = CommandClass<AdminContext>;

const all: readonly AdminCommandClass[] = [
  ...[BundlePush, BundleRm, BundleLs, BundleShow],
  ...[TaskCreate, TaskSet, TaskLs, TaskShow, TaskRm, TaskEnable, TaskDisable, TaskHistory],
  ...[TaskStart, TaskSuspend, TaskResume, TaskStop, TaskKill, TaskRestart],
  ...[ProcessLs, Logs, Wait, Run],
  ...[OperationLs, OperationShow, OperationCancel, OperationWait],
  ...[NodeLs, NodeShow, NodeLabel, NodeRm],
  ...[Stats, Ping, Events, TokenCreate, TokenLs, TokenRm, Batch, Completion],
];

export const commands = all as readonly CommandClass[];

/**
 * The commands that a command line (`admin`, and what follows) may mean: one where its words are
 * a path, all of them where they are none (options before the path, a slip, `--help`).
 */
export function commandsFor(words: readonly string[]): readonly CommandClass[] {
  const fits = (path: readonly string[]): boolean => path.every((word, at) => words[at] === word);
  const exact = commands.filter(({ paths = [] }) => paths.some(fits));
  return exact.length > 0 ? exact : commands;
}
