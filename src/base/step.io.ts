/**
 * Named steps between which an agent may die. Saying one costs a comparison: nobody listens in the
 * executable (which loads no code but its own); tests do, and end the process right there.
 */
import { channel } from 'node:diagnostics_channel';

export const STEPS = 'lotc:step';

export type Step =
  | `boot: ${'tables loaded' | 'run inspected' | 'name barred' | 'done'}`
  | `commit: ${'begun' | 'durable'}`
  | `launch: ${'begun' | 'claimed' | 'cleared' | 'grouped' | 'ordered' | 'shim started' | 'told'}`
  /** What a shim said, before anybody has heard it. */
  | `shim: ${string}`
  | `tree: ${'signal' | 'signalled' | 'kill' | 'killed' | 'thaw' | 'freeze' | 'group gone'}`
  | `ca: ${string}`
  | `remove: ${'begun' | 'files gone'}`;

const said = channel(STEPS);

export function step(name: Step): void {
  if (said.hasSubscribers) said.publish(name);
}
