/**
 * Loaded before a server: a bug of its own. LOTC_FAULT is where it is met: `timer`, where nobody
 * catches it, by whoever asks for the tasks; `apply`, by what is applied of a task named "boom".
 */
import { AdminServer } from '../../src/roles/server/admin-server.ts';
import { Controller } from '../../src/roles/server/controller.ts';
import { decodeCommand } from '../../src/roles/server/model/command.ts';

const fault = (): never => {
  throw new Error('a bug of ours');
};
const { request } = AdminServer.prototype;
const { entries } = Controller.prototype;

if (process.env['LOTC_FAULT'] === 'timer') {
  AdminServer.prototype.request = function faulty(this: AdminServer, ...words): void {
    if (words[2]['query'] === 'tasks') setImmediate(fault);
    else Reflect.apply(request, this, words);
  };
} else {
  Controller.prototype.entries = function faulty(this: Controller, all): void {
    const isMet = all.some(({ rec }) => {
      const { kind, body } = decodeCommand(rec);
      return kind === 'taskAdd' && body.task === 'boom';
    });
    if (isMet) fault();
    else Reflect.apply(entries, this, [all]);
  };
}
