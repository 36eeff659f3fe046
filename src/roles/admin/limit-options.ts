/**
 * What a run of the task may use at most: options of `task create` and `task set`, and the same as
 * the task's manifest shows it. Which values are sensible and which node can hold them is for the
 * server to say; here a size must be a size. An empty value takes a limit out.
 */
import { Option } from 'clipanion';
import { parseSizeBytes } from '../../base/size.ts';
import type { Shape } from '../../net/layout.ts';
import { AdminCommand, countOf, usage } from './command.ts';

type Spec = Shape<'spec'>;
type Key =
  | 'memoryMaxBytes'
  | 'cpuMax'
  | 'pidsMax'
  | 'nofileMax'
  | 'logMaxBytes'
  | 'memoryWarnBytes';

export abstract class LimitOptions extends AdminCommand {
  memory = Option.String('--memory', {
    description: 'SIZE: memory of a run, all its processes together (default: no limit)',
  });
  memoryWarn = Option.String('--memory-warn', {
    description: 'SIZE: a run above it is an event, process-warned (default: none)',
  });
  cpu = Option.String('--cpu', {
    description: 'Cores a run may keep busy, for instance 0.5 (default: no limit)',
  });
  pids = Option.String('--pids', {
    description: 'Processes and threads of a run at one time (default: no limit)',
  });
  nofile = Option.String('--nofile', {
    description: "Open files of each process (default: the agent's own limit)",
  });
  logMax = Option.String('--log-max', {
    description: 'SIZE of the newest output that is kept of a run (default 64MiB)',
  });

  /** `undefined` is a limit taken out, a missing key one that was not spoken of. */
  protected limits(): Partial<Spec> {
    return {
      ...given('memoryMaxBytes', this.memory, (text) => parseSizeBytes(text, '--memory')),
      ...given('memoryWarnBytes', this.memoryWarn, (text) => parseSizeBytes(text, '--memory-warn')),
      ...given('cpuMax', this.cpu, coresOf),
      ...given('pidsMax', this.pids, (text) => countOf(text, '--pids')),
      ...given('nofileMax', this.nofile, (text) => countOf(text, '--nofile')),
      ...given('logMaxBytes', this.logMax, (text) => parseSizeBytes(text, '--log-max')),
    };
  }
}

function given(
  key: Key,
  text: string | undefined,
  read: (text: string) => number | undefined,
): Partial<Spec> {
  if (text === undefined) return {};
  return { [key]: text === '' ? undefined : read(text) };
}

function coresOf(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) {
    throw usage(`--cpu: "${text}" is not a number of cores`, 'for instance: --cpu 1.5');
  }
  return Number(text);
}
