/** What the edge says about a run, as an input of its table; undefined: it is of other things. */
import type { Input } from '../../supervisor/process.ts';
import type { RunEvent } from './events.ts';

export function inputOf(event: RunEvent): Input | undefined {
  switch (event.kind) {
    case 'started':
      return { event: 'started', started: event.started };
    case 'ended':
      return { event: event.left ? 'ended-leaving' : 'ended', end: event.end };
    case 'cleared': {
      const { killed } = event;
      const reason = killed === 0 ? undefined : `${killed} left behind were killed`;
      return { event: 'cleared', reason };
    }
    case 'launch-failed':
      return { event: event.kind, reason: event.reason, errorCode: event.errorCode };
    case 'armed':
    case 'disarmed':
    case 'gone':
    case 'frozen':
    case 'thawed':
      return { event: event.kind };
    case 'detached':
    case 'freeze-failed':
    case 'thaw-failed':
    case 'stuck':
      return { event: event.kind, reason: event.reason };
    case 'acted':
    case 'retracted':
    case 'signalled':
    case 'removed':
    case 'warned':
    default:
      return undefined;
  }
}
