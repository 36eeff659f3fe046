/**
 * What a task can be told, each thing once: from here follow the options of `task create` and
 * `task set`, the keys of a Task manifest with their JSON Schema, `export`, `diff` and `task show`.
 * A new key of the spec is a row here.
 */
import { limits } from '../../base/limits.ts';
import type { Shape } from '../../net/layout.ts';
import type { Field } from './fields.ts';
import * as forms from './forms.ts';

/** All but the command, which follows `--`, and secrets, which stand in no manifest. */
export type SpecKey = Exclude<keyof Shape<'spec'>, 'command' | 'secretEnv' | 'secretFiles'>;
export type TaskField = Field<SpecKey>;

export const taskFields: readonly TaskField[] = [
  {
    ...{ option: '--bundle', path: 'bundle', form: forms.name, keys: ['bundle'] },
    about: 'The code it runs (default: none)',
  },
  {
    ...{ option: '--on', path: 'on', form: forms.selector, keys: ['on'] },
    about: "Where it belongs, a selector (default: its bundle's nodes, or @all)",
  },
  {
    ...{ option: '--instances', path: 'on.instances', form: forms.count() },
    ...{ keys: ['instances'], about: 'On so many of these nodes (default: on each of them)' },
  },
  {
    ...{ option: '--spread', path: 'on.spread', form: forms.text, keys: ['spread'] },
    about: 'KEY of a label over whose values those are spread (default: none)',
  },
  {
    ...{ option: '--user', path: 'user', form: forms.text, keys: ['user'] },
    about: "Runs as this user (default: the agent's own)",
  },
  {
    ...{ option: '--env', path: 'env', form: forms.environment, keys: ['env'], otherwise: [{}] },
    about: 'K=V; repeats',
  },
  {
    ...{ option: '--cwd', path: 'cwd', form: forms.text, keys: ['cwd'] },
    about: 'Directory, in the run directory unless absolute',
  },
  {
    ...{ option: '--after', path: 'after', form: forms.after, keys: ['afterTasks'] },
    ...{ otherwise: [[]], about: 'TASK[:success|exit|running|ready] it starts after; repeats' },
  },
  {
    ...{ option: '--after-all', path: 'afterAll', form: forms.flag, keys: ['afterAll'] },
    otherwise: [false],
    about: 'After those tasks on all their nodes (default: on its own, where they are there)',
  },
  {
    ...{ option: '--slots', path: 'slots', form: forms.count(0), keys: ['slots'] },
    about: 'Slots of its node that a run takes (default: 1; with --restart always, 0)',
  },
  {
    ...{ option: '--priority', path: 'priority', form: forms.count(0), keys: ['priority'] },
    ...{ otherwise: [0], about: '0..65535: who comes first where there is no room (default 0)' },
  },
  {
    ...{ option: '--preempt', path: 'preempt', form: forms.preempt, keys: ['preempt'] },
    otherwise: ['no'],
    about: 'Suspends running work of a lower priority for room; =kill: stops it (default: waits)',
  },
  {
    ...{ option: '--stop-signal', path: 'stop.signal', form: forms.signal, keys: ['stopSignal'] },
    ...{ otherwise: ['SIGTERM'], about: 'What stop sends (default TERM)' },
  },
  {
    ...{ option: '--stop-grace', path: 'stop.grace', form: forms.duration, keys: ['stopGraceMs'] },
    otherwise: [limits.stopGraceMs],
    about: 'How long stop waits before it kills (default 10s)',
  },
  {
    ...{ option: '--restart', path: 'restart.policy', keys: ['restart'], otherwise: ['no'] },
    form: forms.word('no', 'on-failure', 'always'),
    about: 'no, on-failure or always: whether a run that ends begins again (default no)',
  },
  {
    ...{ option: '--backoff', path: 'restart.backoff', form: forms.durations },
    ...{ keys: ['backoffMinMs', 'backoffMaxMs'] },
    otherwise: [limits.backoffMinMs, limits.backoffMaxMs],
    about: 'MIN..MAX: the wait before a restart, doubled each time (default 1s..5m)',
  },
  {
    ...{ option: '--max-restarts', path: 'restart.max', form: forms.count(0) },
    keys: ['maxRestarts'],
    about: 'Restarts in a row before the run is failed (default: no bound)',
  },
  {
    ...{ option: '--watchdog', path: 'watchdog', form: forms.duration, keys: ['watchdogMs'] },
    about: 'It says WATCHDOG=1 (sd_notify) within DUR, or it hangs (default: not asked)',
  },
  {
    ...{ option: '--health-exec', path: 'health.exec', form: forms.text, keys: ['healthExec'] },
    about: 'A command of sh(1) that ends with 0 while the process is well',
  },
  {
    ...{ option: '--health-tcp', path: 'health.tcp', form: forms.text, keys: ['healthTcp'] },
    about: 'PORT or HOST:PORT that accepts while it is well',
  },
  {
    ...{ option: '--health-http', path: 'health.http', form: forms.text, keys: ['healthHttp'] },
    about: 'URL that answers 2xx or 3xx while it is well',
  },
  {
    ...{ option: '--health-every', path: 'health.every', form: forms.duration },
    ...{ keys: ['healthEveryMs'], otherwise: [limits.healthEveryMs] },
    about: 'From one health check to the next (default 10s)',
  },
  {
    ...{ option: '--health-timeout', path: 'health.timeout', form: forms.duration },
    keys: ['healthTimeoutMs'],
    about: 'What a health check may take (default 5s, at most the time between two)',
  },
  {
    ...{ option: '--health-failures', path: 'health.failures', form: forms.count() },
    ...{ keys: ['healthFailures'], otherwise: [limits.healthFailures] },
    about: 'So many in a row, and it hangs (default 3)',
  },
  {
    ...{ option: '--health-delay', path: 'health.delay', form: forms.duration },
    ...{ keys: ['healthDelayMs'], otherwise: [0] },
    about: 'From the start to the first health check (default 0s)',
  },
  {
    ...{ option: '--on-hang', path: 'onHang', keys: ['onHang'], otherwise: ['restart'] },
    form: forms.word('restart', 'abort', 'continue', 'notify'),
    about: 'What is done about a hang: restart (default), abort, continue or notify',
  },
  {
    ...{ option: '--start-timeout', path: 'startTimeout', form: forms.duration },
    keys: ['startTimeoutMs'],
    about: 'It is ready (READY=1, or a health check passes) within DUR, or it hangs',
  },
  {
    ...{ option: '--run-timeout', path: 'runTimeout', form: forms.duration },
    ...{ keys: ['runTimeoutMs'], about: 'A run that lasts longer is stopped (default: no bound)' },
  },
  {
    ...{ option: '--memory', path: 'limits.memory', form: forms.size, keys: ['memoryMaxBytes'] },
    about: 'SIZE: memory of a run, all its processes together (default: no limit)',
  },
  {
    ...{ option: '--cpu', path: 'limits.cpu', form: forms.cores, keys: ['cpuMax'] },
    about: 'Cores a run may keep busy, for instance 0.5 (default: no limit)',
  },
  {
    ...{ option: '--pids', path: 'limits.pids', form: forms.count(), keys: ['pidsMax'] },
    about: 'Processes and threads of a run at one time (default: no limit)',
  },
  {
    ...{ option: '--memory-warn', path: 'memoryWarn', form: forms.size },
    keys: ['memoryWarnBytes'],
    about: 'SIZE: a run above it is an event, process-warned (default: none)',
  },
  {
    ...{ option: '--nofile', path: 'nofile', form: forms.count(), keys: ['nofileMax'] },
    about: "Open files of each process (default: the agent's own limit)",
  },
  {
    ...{ option: '--log-max', path: 'logMax', form: forms.size, keys: ['logMaxBytes'] },
    otherwise: [limits.logMaxBytes],
    about: 'SIZE of the newest output that is kept of a run (default 64MiB)',
  },
  {
    ...{ option: '--on-agent-lost', path: 'onAgentLost', form: forms.word('keep', 'move') },
    ...{ keys: ['onAgentLost'], otherwise: ['keep'] },
    about:
      'keep (default), or move: an instance whose node is lost begins elsewhere, under a lease',
  },
  {
    ...{ option: '--lease', path: 'lease', form: forms.duration, keys: ['leaseMs'] },
    ...{
      otherwise: [limits.leaseMs],
      about: 'How long one that may move is a node’s (default 15s)',
    },
  },
  {
    ...{ option: '--on-server-lost', path: 'onServerLost', form: forms.onServerLost },
    ...{ keys: ['serverLostMs'], otherwise: [0] },
    about: 'keep, or stop:DUR: stops a run when its node has not heard the server for so long',
  },
  {
    ...{ option: '--keep-runs', path: 'keepRuns', form: forms.count(), keys: ['keepRuns'] },
    ...{ otherwise: [limits.keepRuns], about: 'Ended runs kept (default 100)' },
  },
  {
    ...{ option: '--keep-for', path: 'keepFor', form: forms.duration, keys: ['keepForMs'] },
    ...{ otherwise: [limits.keepForMs], about: 'How long (default 30d)' },
  },
  {
    ...{ option: '--results', path: 'results', form: forms.texts, keys: ['results'] },
    otherwise: [[]],
    about: "Files kept of each run when it ends, a glob in its directory ('out/*'); repeats",
  },
  {
    ...{ option: '--keep-bytes', path: 'keepBytes', form: forms.size, keys: ['keepBytes'] },
    otherwise: [limits.keepBytes],
    about: "SIZE of the task's result files that are kept on the server (default 10GiB)",
  },
];
