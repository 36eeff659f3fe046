/**
 * Consoles: what an admin asks is checked, journaled where it changes something, and answered.
 *
 * A verb's REQ gets ERR where nothing could be done; without `wait` OK as soon as it is durable;
 * with `wait` ACK then, and OK when every target has answered.
 */
import { errorCodes, LotcError } from '../../base/errors.ts';
import { isRunId } from '../../base/ids.ts';
import type { AnyBody, MessageKind, Req } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import { type ClocksParts, pingNodes, syncNodes } from './clocks.ts';
import { type Asker, type Controller, failureOf } from './controller.ts';
import { Executions } from './exec.ts';
import { identityRows, maskedFor } from './identity-rows.ts';
import { Logs } from './logs.ts';
import { applyAsked, type ManifestParts } from './manifests.ts';
import { Refusal } from './model/change.ts';
import type { CommandBody, CommandKind } from './model/command.ts';
import { nodeNamed } from './model/resolve.ts';
import { answerInPages } from './pages.ts';
import type { Replier, ServerPorts, SessionPort } from './ports.ts';
import { answerQuery, processOf } from './queries.ts';
import { readingsSince } from './readings.ts';
import { Results } from './results.ts';
import { checkAsked, madeRows } from './scheduling.ts';
import { checkSigned, withSealed } from './sealing.ts';
import type { Sessions } from './sessions.ts';
import { type WaitFor, Waits } from './waits.ts';
import { Watches } from './watches.ts';

/** Commands whose answers come from nodes, so `wait` means something. */
const verbs = [
  ...(['taskRun', 'taskKill', 'taskStop', 'taskCont', 'taskRm', 'hostRm'] as const),
  ...(['fileDef', 'fileRm', 'depDrain'] as const),
] as const;
const plain = [
  ...(['taskAdd', 'taskOk', 'taskNok', 'hostToken', 'hostTokenRm', 'retCancel'] as const),
  ...(['depSchedule', 'depIdentity', 'depAuthority'] as const),
] as const;

const isVerb = (kind: MessageKind): kind is (typeof verbs)[number] =>
  (verbs as readonly MessageKind[]).includes(kind);
const isPlain = (kind: MessageKind): kind is (typeof plain)[number] =>
  (plain as readonly MessageKind[]).includes(kind);

export class AdminServer {
  readonly #controller: Controller;
  readonly #agents: AgentServer;
  readonly #ports: ServerPorts;
  readonly #sessions: Sessions;
  readonly #waits: Waits;
  readonly #logs: Logs;
  readonly #watches: Watches;
  readonly #results: Results;
  readonly executions: Executions;

  constructor(
    ...[controller, agents, ports, sessions]: [Controller, AgentServer, ServerPorts, Sessions]
  ) {
    this.#controller = controller;
    this.#sessions = sessions;
    this.#agents = agents;
    this.#ports = ports;
    this.#waits = new Waits(controller);
    this.#logs = new Logs(controller, agents, ports);
    this.#results = new Results(controller, agents);
    this.#watches = new Watches(controller, agents, ports);
    this.executions = new Executions(controller, agents);
  }

  get #parts(): ClocksParts {
    return { state: this.#controller.state, agents: this.#agents, ports: this.#ports };
  }

  get #manifestParts(): ManifestParts {
    return { controller: this.#controller, ports: this.#ports };
  }

  /** Answers one request; whatever it throws is the answer. */
  request(session: SessionPort, kind: MessageKind, body: AnyBody, replier: Replier): void {
    try {
      this.#dispatch(session, kind, body, replier);
    } catch (error) {
      replier.fail(failureFrom(error));
    }
  }

  #dispatch(session: SessionPort, kind: MessageKind, body: AnyBody, replier: Replier): void {
    const { name: who, address: origin, spki: by } = session.peer;
    const asker = { who, origin, by };
    if (isVerb(kind)) return this.#verb(kind, body, asker, replier);
    if (isPlain(kind)) return this.#command(kind, body, asker, replier);
    switch (kind) {
      case 'hostState':
        return this.#label(body as Req<'hostState'>, asker, replier);
      case 'depApply':
        return applyAsked(this.#manifestParts, body as Req<'depApply'>, asker, replier);
      case 'retQuery':
        return this.#query(session, body as Req<'retQuery'>, replier);
      case 'retWatch':
        return this.#watches.watch(body as Req<'retWatch'>, replier);
      case 'retWait':
        return this.#wait(body, replier);
      case 'retLog':
        return this.#logs.read(body as Req<'retLog'>, this.#scopeOf(session), replier);
      case 'retExec':
        return this.executions.start(session, body as Req<'retExec'>, asker, replier);
      case 'retInput':
        return this.executions.input(session, body, asker, replier);
      case 'pingNode':
        return pingNodes(this.#parts, body as Req<'pingNode'>, replier);
      case 'synNode':
        return syncNodes(this.#parts, body as Req<'synNode'>, replier);
      default:
        throw new Refusal('unsupported', `this server does not answer ${kind}`);
    }
  }

  #scopeOf({ peer }: SessionPort): string | undefined {
    return this.#controller.state.identities.get(peer.spki)?.scope;
  }

  #query({ peer }: SessionPort, body: Req<'retQuery'>, replier: Replier): void {
    const { state } = this.#controller;
    const answer = (found: AnyBody): void =>
      answerInPages(replier, { ...maskedFor(state, peer, found), seq: state.seq });
    if (body.query === 'identities') {
      const { atUs } = this.#ports.now();
      return answer({
        identities: identityRows(state, (spki) => this.#sessions.lastSeen(spki, atUs)),
      });
    }
    if (body.query === 'results') return this.#results.read(body, replier);
    if (body.query === 'stats' && body.since !== undefined)
      return readingsSince(this.#parts, body, replier);
    return answerQuery(this.#parts, body, answer);
  }

  #verb(kind: (typeof verbs)[number], all: AnyBody, asker: Asker, replier: Replier): void {
    const { key, wait = false, ...body } = all;
    if (kind === 'fileDef') checkSigned(this.#ports.signers, body);
    if (body.timing) return this.#schedule(kind, all, asker, replier);
    if (kind === 'hostRm') Object.assign(body, { present: this.#agents.presentNames });
    const command = body as unknown as CommandBody<CommandKind>;
    this.#controller.submit(
      kind,
      command,
      asker,
      (reply, seq) => {
        if (!reply.ok) return replier.fail(failureOf(reply));
        const { operation } = reply.body as { operation: string };
        if (!wait) return answerInPages(replier, { ...reply.body, seq });
        replier.ack({ operation, seq });
        const stop = this.#waits.forOperation(operation, ({ answers }) => {
          answerInPages(replier, { operation, answers, seq: this.#controller.state.seq });
        });
        return replier.onDrop(stop);
      },
      key,
    );
  }

  /** A verb at instants to come makes schedules, no operation: there is nothing to wait for. */
  #schedule(kind: (typeof verbs)[number], all: AnyBody, asker: Asker, replier: Replier): void {
    const { key, wait: _, ...body } = all;
    checkAsked(body.timing ?? {}, this.#ports.now().atUs);
    const command = body as unknown as CommandBody<CommandKind>;
    this.#controller.submit(
      kind,
      command,
      asker,
      (reply, seq) => {
        if (!reply.ok) return replier.fail(failureOf(reply));
        const { made, ...rest } = reply.body as { readonly made: readonly string[] };
        const schedules = madeRows(this.#controller.state, made, this.#ports.now().atUs);
        return answerInPages(replier, { ...rest, schedules, seq });
      },
      key,
    );
  }

  #command(kind: (typeof plain)[number], all: AnyBody, asker: Asker, replier: Replier): void {
    const { key, ...asked } = all;
    const body = withSealed(this.#controller.state, asked, this.#ports.vault);
    const command = body as unknown as CommandBody<CommandKind>;
    this.#controller.submit(
      kind,
      command,
      asker,
      (reply, seq) => {
        if (!reply.ok) replier.fail(failureOf(reply));
        else answerInPages(replier, { ...reply.body, seq });
      },
      key,
    );
  }

  #label(all: Req<'hostState'>, asker: Asker, replier: Replier): void {
    const { key, ...body } = all;
    this.#controller.submit(
      'hostState',
      body,
      asker,
      (reply, seq) => {
        if (!reply.ok) return replier.fail(failureOf(reply));
        const node = nodeNamed(this.#controller.state, body.node);
        return replier.ok({
          nodes: [this.#agents.row(node)],
          unchanged: reply.body['unchanged'] as boolean,
          seq,
        });
      },
      key,
    );
  }

  #wait(body: Req<'retWait'>, replier: Replier): void {
    const { operation, targets = [], on, waitFor = 'exited' } = body;
    if (operation !== undefined) return this.#waitOperation(operation, replier);
    const past = targets.filter(
      (target) => isRunId(target) && !this.#controller.state.runs.has(target),
    );
    const present = targets.filter((target) => !past.includes(target));
    const [first] = past;
    const rest = (rows: Parameters<typeof processOf>[0][]): void => {
      const old = rows.map(processOf);
      if (present.length === 0) return answerInPages(replier, { processes: old });
      const stop = this.#waits.forProcesses(present, on, waitFor as WaitFor, (processes) => {
        answerInPages(replier, { processes: [...old, ...processes] });
      });
      return replier.onDrop(stop);
    };
    if (first === undefined) return rest([]);
    return this.#pastRuns(past, (rows) => {
      if (rows.length < past.length) {
        replier.fail(
          failureFrom(
            new Refusal('no-such-run', `there is no run "${first}"`, 'see: lotc admin ps --all'),
          ),
        );
      } else rest(rows);
    });
  }

  #pastRuns(
    runs: readonly string[],
    then: (rows: Parameters<typeof processOf>[0][]) => void,
  ): void {
    const found: Parameters<typeof processOf>[0][] = [];
    let left = runs.length;
    for (const run of runs) {
      this.#ports.history({ kind: 'run', run, limit: 1 }, (rows) => {
        found.push(...rows);
        left -= 1;
        if (left === 0) then(found);
      });
    }
  }

  #waitOperation(id: string, replier: Replier): void {
    if (this.#controller.state.operations.has(id)) {
      const stop = this.#waits.forOperation(id, (row) =>
        replier.ok({ operations: [row], answers: row.answers }),
      );
      replier.onDrop(stop);
      return;
    }
    answerQuery(this.#parts, { query: 'operations', names: [id] }, ({ operations = [] }) => {
      const [row] = operations;
      if (row) replier.ok({ operations: [row], answers: row.answers });
      else
        replier.fail(
          failureFrom(
            new Refusal(
              'no-such-operation',
              `there is no operation "${id}"`,
              'see: lotc admin operation ls',
            ),
          ),
        );
    });
  }
}

export function failureFrom(error: unknown): {
  errorCode: number;
  text: string;
  hint?: string | undefined;
} {
  if (error instanceof Refusal) {
    const { reply } = error;
    if (!reply.ok) return failureOf(reply);
  }
  if (error instanceof LotcError) {
    return { errorCode: errorCodes[error.code].number, text: error.message, hint: error.hint };
  }
  throw error;
}
