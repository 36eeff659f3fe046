/**
 * Loaded before a server: a bug of its own. LOTC_FAULT is where it is met: `timer`, where nobody
 * catches it, by whoever asks for the tasks; `apply`, by what is applied of a task named "boom".
 * `enrol` is no bug: killed when an enrolment is durable, and nobody has been told.
 */
import { AdminServer } from '../../src/roles/server/admin-server.ts';
import { Controller, type Entry } from '../../src/roles/server/controller.ts';
import { decodeCommand } from '../../src/roles/server/model/command.ts';

type Method = (...words: never[]) => unknown;

const fault = (): never => {
  throw new Error('a bug of ours');
};

/** `isMet` is told of each call before it happens. */
function watch(prototype: object, name: string, isMet: (...words: unknown[]) => boolean): void {
  const of = Object.getOwnPropertyDescriptor(prototype, name)?.value as Method;
  const value = new Proxy(of, {
    apply: (method, self, words: unknown[]) =>
      isMet(...words) ? undefined : Reflect.apply(method, self, words),
  });
  Object.defineProperty(prototype, name, { value });
}

if (process.env['LOTC_FAULT'] === 'timer') {
  watch(AdminServer.prototype, 'request', (_session, _kind, body) => {
    if ((body as { query?: string }).query !== 'tasks') return false;
    setImmediate(fault);
    return true;
  });
} else if (process.env['LOTC_FAULT'] === 'enrol') {
  watch(Controller.prototype, 'entries', (entries) => {
    const all = (entries as readonly Entry[]).map(({ rec }) => decodeCommand(rec).kind);
    if (all.includes('enrol')) process.kill(process.pid, 'SIGKILL');
    return false;
  });
} else {
  watch(Controller.prototype, 'entries', (entries) =>
    (entries as readonly Entry[]).some(({ rec }) => {
      const { kind, body } = decodeCommand(rec);
      return kind === 'taskAdd' && body.task === 'boom' && fault();
    }),
  );
}
