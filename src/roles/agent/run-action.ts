/** Which of the runner's acts an action of the core is. */
import type { AgentAction } from './events.ts';
import type { Runner } from './runner.io.ts';

export function onRun(
  runner: Runner,
  action: Extract<AgentAction, { readonly run: string }>,
): void {
  const { run } = action;
  switch (action.type) {
    case 'launch':
      runner.launch(run, action.order, action);
      break;
    case 'attach':
      runner.attach(run);
      break;
    case 'plan':
      runner.plan(run, action);
      break;
    case 'retract':
      runner.retract(run, action.acts);
      break;
    case 'fence':
      runner.fence(run, action.atUs);
      break;
    case 'cancel':
      runner.cancel(run);
      break;
    case 'freeze':
    case 'thaw':
      runner.suspend(run, action.type);
      break;
    case 'terminate':
      runner.terminate(run, action.signal);
      break;
    case 'signal':
      runner.signal(run, action.signal, action.order);
      break;
    case 'kill-tree':
      runner.killTree(run);
      break;
    case 'release':
      runner.release(run);
      break;
    case 'remove':
      runner.remove(run);
      break;
    case 'continue':
      runner.continue(run);
      break;
    case 'count':
    case 'mark':
    case 'inspect':
    case 'check':
      runner.watch.carryOut(action);
      break;
    case 'collect':
    case 'deliver':
    case 'drop-result':
    case 'changed':
      break;
  }
}
