/**
 * What an agent says to a shim (shim.c): lines, silent when done. A shim of another version that
 * does not know a command answers by the error `unknown-command`.
 */
import { unreachable } from '../base/assert.ts';
import type { TimedAct } from './shim.ts';

export type ShimCommand =
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'signal-group'; readonly signal: number }
  /** Moves the gate's instant; answered by `armed`, or by the error `not-armed`: it was passed. */
  | { readonly kind: 'gate'; readonly atUs: number }
  /** Opens the gate at once. */
  | { readonly kind: 'fire' }
  /** The child is ended before it ran: `failed` of step `cancelled`, or the error `not-armed`. */
  | { readonly kind: 'cancel' }
  /**
   * Plans (or moves, or with 0 takes back) what the shim does at an instant, the agent alive or
   * not: microseconds of CLOCK_MONOTONIC, for a lease of CLOCK_BOOTTIME. Answered by `acted` then;
   * by the error `no-group` at once where the run has no cgroup v2 (then it is the agent's task).
   */
  | { readonly kind: 'at'; readonly act: TimedAct; readonly atUs: number }
  | { readonly kind: 'close-stdin' }
  | { readonly kind: 'quit' }
  /** Tells `quiet` after so long without `WATCHDOG=1`, from the last one or from now; 0: never. */
  | { readonly kind: 'quiet'; readonly us: number }
  | { readonly kind: 'mark' };

export function encodeCommand(command: ShimCommand): string {
  switch (command.kind) {
    case 'signal':
    case 'signal-group':
      return `${command.kind} ${command.signal}\n`;
    case 'gate':
      return `gate ${Math.max(1, Math.round(command.atUs))}\n`;
    case 'fire':
      return 'gate 0\n';
    case 'at':
      return `at ${command.act} ${Math.max(0, Math.round(command.atUs))}\n`;
    case 'quiet':
      return `quiet ${Math.max(0, Math.round(command.us))}\n`;
    case 'cancel':
    case 'close-stdin':
    case 'quit':
    case 'mark':
      return `${command.kind}\n`;
    default:
      return unreachable(command);
  }
}
