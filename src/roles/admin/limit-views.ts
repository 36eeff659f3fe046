/** Limits as a task's manifest shows them, and by what a node holds each kind. Pure. */
import { limits } from '../../base/limits.ts';
import { formatSizeBytes } from '../../base/size.ts';
import type { Shape } from '../../net/layout.ts';
import { orNull } from './cells.ts';

const sizeText = (bytes: number | undefined): string | null =>
  bytes === undefined ? null : formatSizeBytes(bytes);

/** Keys of the manifest. */
export function limitsJson(spec: Shape<'spec'>): Record<string, unknown> {
  return {
    limits: {
      memory: sizeText(spec.memoryMaxBytes),
      cpu: orNull(spec.cpuMax),
      pids: orNull(spec.pidsMax),
    },
    memoryWarn: sizeText(spec.memoryWarnBytes),
    nofile: orNull(spec.nofileMax),
    logMax: sizeText(spec.logMaxBytes ?? limits.logMaxBytes),
  };
}

/** By what each kind of limit is held there: a means, or `none`. Undefined: it has not said. */
export function heldLimits({ holds }: Shape<'node'>): Record<string, string> | undefined {
  if (holds === undefined) return undefined;
  const kinds = ['memory', 'cpu', 'pids', 'nofile'];
  return Object.fromEntries(kinds.map((kind) => [kind, holds[kind] ?? 'none']));
}
