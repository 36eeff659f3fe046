/** What an action of the table asks of the edge; undefined: nothing, it is about deadlines. */
import type { Process } from '../../supervisor/process.ts';
import type { Action } from '../../supervisor/table.ts';
import type { AgentAction, Item } from './events.ts';
import { gateOf } from './firing.ts';
import { signalOf } from './revival.ts';

export function actionOf(
  process: Process,
  order: Item,
  action: Action,
  fenceUs: number | undefined,
): AgentAction | undefined {
  const { run, restarts: launch } = process;
  switch (action) {
    case 'launch':
      return {
        type: 'launch',
        run,
        order,
        launch,
        gateUs: launch === 0 ? gateOf(order) : undefined,
        fenceUs,
      };
    case 'terminate':
      return { type: 'terminate', run, signal: signalOf(process) };
    case 'cancel':
    case 'freeze':
    case 'thaw':
    case 'kill-tree':
    case 'release':
      return { type: action, run };
    case 'note-stuck': {
      const text = `run ${run}: ${process.reason ?? 'the kernel does not let go of a process'}`;
      return { type: 'log', level: 'warn', text, facts: { run } };
    }
    case 'arm-grace':
    case 'arm-kill':
    case 'arm-backoff':
    case 'keep-deadline':
    default:
      return undefined;
  }
}
