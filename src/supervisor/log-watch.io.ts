/**
 * Waiting until something in a directory of logs changes (inotify(7)).
 *
 * A program that writes much makes an event with each write, and each would wake the agent. So a
 * watch lives only until its first event: whoever waits looks at the files by itself while they
 * grow, and asks for a new watch when they stand still.
 */
import { type FSWatcher, watch } from 'node:fs';

const BLIND_POLL_MS = 50;

export interface LogWatch extends Disposable {
  /** Resolves at the first event since the watch began, or when it is disposed of. */
  readonly changed: Promise<void>;
}

/** Look at the files after this returns: what changed before is not reported. */
export function watchLogs(directory: string): LogWatch {
  const { promise, resolve } = Promise.withResolvers<void>();
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  // No watch to be had (fs.inotify.max_user_watches), or nothing there: looked at again soon.
  const blind = (): void => {
    timer ??= setTimeout(resolve, BLIND_POLL_MS);
    timer.unref();
  };
  try {
    watcher = watch(directory, { persistent: false }, () => resolve());
    watcher.on('error', blind);
  } catch {
    blind();
  }
  return {
    changed: promise,
    [Symbol.dispose]: () => {
      watcher?.close();
      clearTimeout(timer);
      resolve();
    },
  };
}
