/**
 * Ad-hoc commands: the runs of one `run`, their output to the console, its input to them, and
 * their end when the console goes away: a command nobody watches any more is stopped.
 */
import type { AnyBody, Req, Shape } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import { type Asker, type Controller, failureOf } from './controller.ts';
import { processRow } from './model/rows.ts';
import { answerInPages } from './pages.ts';
import type { Replier, SessionPort } from './ports.ts';
import { Relay } from './relay.ts';
import { withSealed } from './sealing.ts';

interface Execution {
  readonly operation: string;
  readonly session: SessionPort;
  /** Runs whose end has not been told to the console yet. */
  readonly open: Set<string>;
  readonly drained: Set<string>;
  /** Signals for runs whose start has not been told of yet, in order. */
  readonly early: Map<string, string[]>;
}

export class Executions {
  readonly #controller: Controller;
  readonly #agents: AgentServer;
  readonly #byOperation = new Map<string, Execution>();
  /** Looks again at an execution when one of its runs has changed. */
  readonly #byRun = new Map<string, () => void>();

  constructor(controller: Controller, agents: AgentServer) {
    this.#controller = controller;
    this.#agents = agents;
    controller.onChange((change) => {
      if (this.#byRun.size === 0) return;
      for (const run of change.runs) this.#byRun.get(run)?.();
    });
  }

  start(session: SessionPort, body: Req<'retExec'>, asker: Asker, replier: Replier): void {
    const { key, ...asked } = body;
    const rest = withSealed(this.#controller.state, asked, undefined) as typeof asked;
    const command = { ...rest, present: this.#agents.presentNames, credit: 0 };
    this.#controller.submit(
      'retExec',
      command,
      asker,
      (reply, seq) => {
        if (!reply.ok) {
          replier.fail(failureOf(reply));
          return;
        }
        const ack = reply.body as {
          operation: string;
          processes: readonly Shape<'process'>[];
          answers: readonly Shape<'answer'>[];
        };
        const { operation, processes, answers } = ack;
        replier.ack({ operation, processes, seq });
        this.#follow(
          { session, operation, processes, answers, credit: body.credit, asker },
          replier,
        );
      },
      key,
    );
  }

  #follow(
    of: {
      readonly session: SessionPort;
      readonly operation: string;
      readonly processes: readonly Shape<'process'>[];
      readonly answers: readonly Shape<'answer'>[];
      readonly credit: number;
      readonly asker: Asker;
    },
    replier: Replier,
  ): void {
    const { state } = this.#controller;
    const { session, operation, processes } = of;
    const open = new Set(processes.map((row) => row.run));
    const execution: Execution = { session, operation, open, drained: new Set(), early: new Map() };
    this.#byOperation.set(operation, execution);
    const relay = new Relay(this.#agents, replier, of.credit);
    const finish = (): void => {
      this.#byOperation.delete(operation);
      const answers = [...of.answers];
      answerInPages(replier, { answers });
    };
    const look = (run: string): void => {
      const record = state.runs.get(run);
      if (record?.row.processState !== 'pending') this.#catchUp(execution, run, of.asker);
      if (!open.has(run) || !execution.drained.has(run)) return;
      const away = record && !record.ended && !this.#agents.isPresent(record.uid);
      if (record && !record.ended && !away) return;
      open.delete(run);
      this.#byRun.delete(run);
      const row = record && processRow(state, record);
      if (row) {
        replier.more({ run, node: row.node, process: row });
      }
      if (open.size === 0) finish();
    };
    replier.onDrop(() => {
      relay.stop();
      this.#byOperation.delete(operation);
      for (const run of open) this.#byRun.delete(run);
      this.#stop([...open], of.asker);
    });
    if (open.size === 0) finish();
    for (const row of processes) {
      const record = state.runs.get(row.run);
      if (!record) continue;
      const { run } = row;
      this.#byRun.set(run, () => look(run));
      const names = { node: row.node ?? '' };
      relay.add({ uid: record.uid, run, names, ask: { run, follow: true } }, () => {
        execution.drained.add(run);
        look(run);
      });
    }
  }

  #stop(runs: readonly string[], asker: Asker): void {
    const live = runs.filter((run) => this.#controller.state.runs.get(run)?.ended === false);
    if (live.length === 0) return;
    this.#controller.submit('taskKill', { targets: live, mode: 'stop' }, asker, () => undefined);
  }

  /** Input, a window size or a signal for all runs of an execution. */
  input(session: SessionPort, body: Req<'retInput'>, asker: Asker, replier: Replier): void {
    const found = this.#byOperation.get(body.operation ?? '');
    // Of somebody else: to this one it is not there.
    const execution = found?.session.peer.spki === session.peer.spki ? found : undefined;
    if (!execution) {
      replier.ok({});
      return;
    }
    const runs = [...execution.open];
    if (body.signal !== undefined) {
      this.#signal(execution, body.signal, asker, replier);
      return;
    }
    let left = runs.length;
    const done = (): void => {
      left -= 1;
      if (left === 0) replier.ok({});
    };
    if (left === 0) replier.ok({});
    const { operation: _, ...input } = body;
    for (const run of runs) {
      const uid = this.#controller.state.runs.get(run)?.uid ?? '';
      const ask: AnyBody = { ...input, run };
      const asked = this.#agents.ask(uid, 'retInput', ask, { ok: done, fail: done });
      if (!asked) done();
    }
  }

  /**
   * What a program prints may be here before the word that it runs, and Ctrl-C upon that: a run
   * whose record is still pending has its signal as soon as the record says more.
   */
  #signal(execution: Execution, signal: string, asker: Asker, replier: Replier): void {
    const { early, open } = execution;
    const isPending = (run: string): boolean =>
      this.#controller.state.runs.get(run)?.row.processState === 'pending';
    for (const run of [...open].filter(isPending)) {
      early.set(run, [...(early.get(run) ?? []), signal]);
    }
    const targets = [...open].filter((run) => !isPending(run));
    if (targets.length === 0) replier.ok({});
    else this.#kill({ targets, signal }, asker, () => replier.ok({}));
  }

  #catchUp({ early }: Execution, run: string, asker: Asker): void {
    const signals = early.get(run) ?? [];
    early.delete(run);
    for (const signal of signals) this.#kill({ targets: [run], signal }, asker, () => undefined);
  }

  #kill(
    kill: { readonly targets: readonly string[]; readonly signal: string },
    asker: Asker,
    answer: () => void,
  ): void {
    this.#controller.submit('taskKill', { ...kill, mode: 'kill' }, asker, answer);
  }

  /** A node that is gone cannot drain its output: its runs are told as they stand. */
  nodeGone(uid: string): void {
    for (const run of [...this.#byRun.keys()]) {
      if (this.#controller.state.runs.get(run)?.uid === uid) this.#byRun.get(run)?.();
    }
  }
}
