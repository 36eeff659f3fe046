/**
 * All commands of the console, by the words they are called with. A command line loads its own
 * command only, and its parser knows only the path that was written: to load and build them all
 * costs more than the round trip to the server.
 */
import type { CommandClass } from 'clipanion';

type Loader = () => Promise<CommandClass>;

export const table: readonly (readonly [paths: readonly string[], load: Loader])[] = [
  [['admin bundle push', 'admin load'], async () => (await import('./bundle/push.ts')).BundlePush],
  [['admin bundle rm', 'admin unload'], async () => (await import('./bundle/rm.ts')).BundleRm],
  [['admin bundle ls'], async () => (await import('./bundle/ls.ts')).BundleLs],
  [['admin bundle show'], async () => (await import('./bundle/show.ts')).BundleShow],
  [['admin task create'], async () => (await import('./task/create.ts')).TaskCreate],
  [['admin task set'], async () => (await import('./task/set.ts')).TaskSet],
  [['admin task ls'], async () => (await import('./task/ls.ts')).TaskLs],
  [['admin task show'], async () => (await import('./task/show.ts')).TaskShow],
  [['admin task rm'], async () => (await import('./task/rm.ts')).TaskRm],
  [['admin task enable'], async () => (await import('./task/enable.ts')).TaskEnable],
  [['admin task disable'], async () => (await import('./task/disable.ts')).TaskDisable],
  [['admin task history'], async () => (await import('./task/history.ts')).TaskHistory],
  [['admin task graph'], async () => (await import('./task/graph.ts')).TaskGraph],
  [['admin task start', 'admin start'], async () => (await import('./task/start.ts')).TaskStart],
  [
    ['admin task suspend', 'admin suspend'],
    async () => (await import('./task/suspend.ts')).TaskSuspend,
  ],
  [
    ['admin task resume', 'admin resume'],
    async () => (await import('./task/resume.ts')).TaskResume,
  ],
  [['admin task stop', 'admin stop'], async () => (await import('./task/stop.ts')).TaskStop],
  [['admin task kill', 'admin kill'], async () => (await import('./task/kill.ts')).TaskKill],
  [
    ['admin task restart', 'admin restart'],
    async () => (await import('./task/restart.ts')).TaskRestart,
  ],
  [['admin task apply', 'admin apply'], async () => (await import('./task/apply.ts')).TaskApply],
  [['admin task diff', 'admin diff'], async () => (await import('./task/diff.ts')).TaskDiff],
  [['admin export'], async () => (await import('./export.ts')).Export],
  [['admin schema'], async () => (await import('./schema.ts')).Schema],
  [['admin process ls', 'admin ps'], async () => (await import('./process/ls.ts')).ProcessLs],
  [['admin logs'], async () => (await import('./logs.ts')).Logs],
  [['admin report'], async () => (await import('./report.ts')).Report],
  [['admin why'], async () => (await import('./why.ts')).Why],
  [['admin results'], async () => (await import('./results.ts')).Results],
  [['admin wait'], async () => (await import('./wait.ts')).Wait],
  [['admin run'], async () => (await import('./run.ts')).Run],
  [['admin operation ls'], async () => (await import('./operation/ls.ts')).OperationLs],
  [['admin operation show'], async () => (await import('./operation/show.ts')).OperationShow],
  [['admin operation cancel'], async () => (await import('./operation/cancel.ts')).OperationCancel],
  [['admin operation wait'], async () => (await import('./operation/wait.ts')).OperationWait],
  [['admin schedule ls'], async () => (await import('./schedule/ls.ts')).ScheduleLs],
  [['admin schedule show'], async () => (await import('./schedule/show.ts')).ScheduleShow],
  [['admin schedule rm'], async () => (await import('./schedule/rm.ts')).ScheduleRm],
  [['admin schedule pause'], async () => (await import('./schedule/pause.ts')).SchedulePause],
  [['admin schedule resume'], async () => (await import('./schedule/resume.ts')).ScheduleResume],
  [['admin schedule next'], async () => (await import('./schedule/next.ts')).ScheduleNext],
  [['admin fires'], async () => (await import('./fires.ts')).Fires],
  [['admin node ls', 'admin nodes'], async () => (await import('./node/ls.ts')).NodeLs],
  [['admin node show'], async () => (await import('./node/show.ts')).NodeShow],
  [['admin node label'], async () => (await import('./node/label.ts')).NodeLabel],
  [['admin node drain'], async () => (await import('./node/drain.ts')).NodeDrain],
  [['admin node undrain'], async () => (await import('./node/undrain.ts')).NodeUndrain],
  [['admin node rm'], async () => (await import('./node/rm.ts')).NodeRm],
  [['admin stats'], async () => (await import('./stats.ts')).Stats],
  [['admin top'], async () => (await import('./top.ts')).Top],
  [['admin ping'], async () => (await import('./ping.ts')).Ping],
  [['admin sync'], async () => (await import('./sync.ts')).Sync],
  [['admin events'], async () => (await import('./events.ts')).Events],
  [['admin token create'], async () => (await import('./token/create.ts')).TokenCreate],
  [['admin token ls'], async () => (await import('./token/ls.ts')).TokenLs],
  [['admin token rm'], async () => (await import('./token/rm.ts')).TokenRm],
  [['admin login'], async () => (await import('./login.ts')).Login],
  [['admin identity ls'], async () => (await import('./identity/ls.ts')).IdentityLs],
  [['admin identity show'], async () => (await import('./identity/show.ts')).IdentityShow],
  [['admin identity revoke'], async () => (await import('./identity/revoke.ts')).IdentityRevoke],
  [['admin ca status'], async () => (await import('./ca/status.ts')).CaStatus],
  [['admin ca rotate'], async () => (await import('./ca/rotate.ts')).CaRotate],
  [['admin batch'], async () => (await import('./batch.ts')).Batch],
  [['completion'], async () => (await import('./completion.ts')).Completion],
];

/** Every command, for help, completion, and words that are no command. */
export const allCommands = (): Promise<readonly CommandClass[]> =>
  Promise.all(table.map(([, load]) => load()));

/** The commands that a command line (`admin`, and what follows) may mean. */
export async function commandsFor(words: readonly string[]): Promise<readonly CommandClass[]> {
  const line = `${words.slice(0, PATH_WORDS_MAX).join(' ')} `;
  for (const [paths, load] of table) {
    const path = paths.find((one) => line.startsWith(`${one} `));
    if (path !== undefined) return [onlyPath(await load(), path, words)];
  }
  return allCommands();
}

const PATH_WORDS_MAX = 3;

/** Help names all paths; a parser needs one. */
function onlyPath(command: CommandClass, path: string, words: readonly string[]): CommandClass {
  if (words.includes('--help') || words.includes('-h')) return command;
  const whole = command as unknown as new () => object;
  const only: unknown = class extends whole {
    static paths = [path.split(' ')];
  };
  return only as CommandClass;
}
