/** A fleet as the model alone has it, for its tests: commands, and what nodes report. */
import { apply, type Outcome } from './apply.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { emptyState, type State } from './state.ts';
import { toldPlaces } from './told-places.ts';

export class Fleet {
  state: State = emptyState();
  #no = 0;
  readonly #reports = new Map<string, number>();

  act<K extends CommandKind>(kind: K, body: CommandBody<K>): Outcome {
    this.#no += 1;
    const key = Buffer.from(String(this.#no).padStart(16, '0'));
    const who = kind === 'report' ? 'a node' : 'admin';
    const command = { kind, body, key, at: this.#no * 1000, who, origin: 'test' };
    return apply(this.state, command as unknown as Command, this.#no);
  }

  join(name: string, labels: Record<string, string> = {}, attached = true): void {
    const spki = Buffer.from(`token-${name}`).toString('hex');
    this.act('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
    const body = { spki: `key-${name}`, token: spki.slice(0, 8), instance: 'i', build: 'b' };
    this.act('enrol', { ...body, node: name, labels });
    if (attached) this.attach(name);
  }

  uid(name: string): string {
    return this.state.index.nodeByName.get(name) ?? '';
  }

  attach(name: string): void {
    this.act('attach', { uid: this.uid(name), instance: 'i', build: 'b', addresses: [] });
  }

  detach(name: string): void {
    this.act('detach', { uid: this.uid(name), orderly: false });
  }

  create(spec: Record<string, unknown>, task = 'web', mode = 'create'): Outcome['reply'] {
    const full = { command: ['x'], ...spec };
    return this.act('taskAdd', { task, mode, spec: full }).reply;
  }

  report(name: string, run: string, row: Record<string, unknown>): void {
    const seq = (this.#reports.get(name) ?? 0) + 1;
    this.#reports.set(name, seq);
    const process = { run, task: this.state.runs.get(run)?.task, ...row };
    const reports = [{ seq, at: 0, entry: 'process', process: process as never }];
    this.act('report', { uid: this.uid(name), reports });
  }

  /** What is on record as alive, `task@node`. */
  get live(): readonly string[] {
    const runs = [...this.state.runs.values()].filter(({ ended }) => !ended);
    return runs.map(({ task, uid }) => `${task}@${this.state.nodes.get(uid)?.name}`).sort();
  }

  runOn(name: string, task = 'web'): string {
    const uid = this.uid(name);
    const found = [...this.state.runs.values()].find(
      (run) => run.uid === uid && run.task === task && !run.ended,
    );
    return found?.run ?? '';
  }

  run(name: string, task = 'web'): void {
    const run = this.runOn(name, task);
    this.report(name, run, { processState: 'running', startedAt: 1, pid: 7, wish: 'up' });
  }

  end(name: string, task = 'web'): void {
    const run = this.runOn(name, task);
    this.report(name, run, { processState: 'exited', exitedAt: 2, signal: 'SIGTERM' });
  }

  placed(task = 'web'): readonly string[] {
    const uids = this.state.tasks.get(task)?.placed ?? [];
    return uids.map((uid) => this.state.nodes.get(uid)?.name ?? '').sort();
  }

  missing(task = 'web'): string | undefined {
    const record = this.state.tasks.get(task);
    return record && toldPlaces(this.state, record, true).reason;
  }

  operation(reply: Outcome['reply']): string | undefined {
    const id = reply.ok ? (reply.body['operation'] as string) : '';
    return this.state.operations.get(id)?.state;
  }
}
