/** An event as people, scripts and hooks see it: one object with all its fields, in this order. */
import { formatInstant } from '../base/clock.ts';
import type { Shape } from './bodies.ts';

/** Something went wrong: for those who are told of failures, whatever their kind is. */
export const isFailure = ({ eventKind, ok }: Shape<'event'>): boolean =>
  ok === false || eventKind.endsWith('-failed');

export function eventFields(event: Shape<'event'>): Record<string, unknown> {
  const { seq, at, clockErrorUs, eventKind, who, text } = event;
  const { node, task, run, bundle, operation, origin } = event;
  return {
    ...{ seq, at: formatInstant(at), clockErrorUs: clockErrorUs ?? null, kind: eventKind },
    ...{ who: who ?? null, text, failed: isFailure(event), node: node ?? null },
    ...{ task: task ?? null, run: run ?? null, bundle: bundle ?? null },
    ...{ operation: operation ?? null, origin: origin ?? null },
  };
}
