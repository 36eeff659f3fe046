/**
 * Logs of runs for a console: the latest run of each process asked about, merged as it comes;
 * with `follow` also the runs that begin later, until the console has enough.
 */

import { errorCodes } from '../../base/errors.ts';
import { isRunId } from '../../base/ids.ts';
import type { AnyBody, Req, Shape } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import type { Controller } from './controller.ts';
import { Refusal } from './model/change.ts';
import { isWithin, taskNamed } from './model/resolve.ts';
import type { Replier, ServerPorts } from './ports.ts';
import { processOf } from './queries.ts';
import { Relay, type Source } from './relay.ts';
import { runsOfTarget } from './waits.ts';

type LogRequest = Req<'retLog'>;
type Scope = string | undefined;

export class Logs {
  readonly #controller: Controller;
  readonly #agents: AgentServer;
  readonly #ports: ServerPorts;
  readonly #followers = new Set<(runs: ReadonlySet<string>) => void>();

  constructor(controller: Controller, agents: AgentServer, ports: ServerPorts) {
    this.#controller = controller;
    this.#agents = agents;
    this.#ports = ports;
    controller.onChange((change) => {
      for (const follower of this.#followers) follower(change.runs);
    });
  }

  /** `scope`: of who asks; what nodes it is about was judged for what is known of now. */
  read(body: LogRequest, scope: string | undefined, replier: Replier): void {
    const run = body.run ?? body.targets?.find((target) => isRunId(target));
    if (run !== undefined) this.#readRun(run, body, scope, replier);
    else this.#readTargets(body, scope, replier);
  }

  #readRun(...[run, body, scope, replier]: [string, LogRequest, Scope, Replier]): void {
    const record = this.#controller.state.runs.get(run);
    if (record) {
      this.#relay([this.#source(run, record.uid, record.task, body)], body, replier, undefined);
      return;
    }
    this.#ports.history({ kind: 'run', run, limit: 1 }, (rows) => {
      const [row] = rows.map(processOf);
      const { state } = this.#controller;
      const uid = state.index.nodeByName.get(row?.node ?? '');
      const node = state.nodes.get(uid ?? '');
      const mine = node !== undefined && isWithin(scope, node);
      if (!row || uid === undefined || !mine) {
        const gone = row && !node ? `the node of run ${run} was removed` : undefined;
        const text =
          gone ?? `there is no run "${run}"${scope === undefined ? '' : ' in your scope'}`;
        replier.fail({
          errorCode: errorCodes['no-such-run'].number,
          text,
          hint: 'see: lotc admin ps --all',
        });
        return;
      }
      this.#relay([this.#source(run, uid, row.task, body)], body, replier, undefined);
    });
  }

  #readTargets(body: LogRequest, scope: Scope, replier: Replier): void {
    const { state } = this.#controller;
    const targets = body.targets ?? [];
    const find = (): readonly Source[] =>
      targets
        .flatMap((target) => runsOfTarget(state, target, body.on))
        .filter(({ uid }) => {
          const node = state.nodes.get(uid);
          return node !== undefined && isWithin(scope, node);
        })
        .map((run) => this.#source(run.run, run.uid, run.task, body));
    for (const target of targets) taskNamed(state, target.split('@')[0] ?? target);
    const sources = find();
    if (sources.length === 0 && body.follow !== true) {
      const text = `task "${targets[0] ?? ''}" has not run yet`;
      throw new Refusal('no-such-run', text, 'to start it: lotc admin start');
    }
    this.#relay(sources, body, replier, body.follow === true ? find : undefined);
  }

  #source(run: string, uid: string, task: string | undefined, body: LogRequest): Source {
    const { follow, tail, since, streams } = body;
    const node = this.#controller.state.nodes.get(uid)?.name ?? '';
    return { uid, run, names: { node, task }, ask: { run, follow, tail, since, streams } };
  }

  /** `again` finds the sources of runs that began later; undefined: the answer ends by itself. */
  #relay(
    sources: readonly Source[],
    body: LogRequest,
    replier: Replier,
    again: (() => readonly Source[]) | undefined,
  ): void {
    const relay = new Relay(this.#agents, replier, body.credit);
    const seen = new Set<string>();
    const faults: Shape<'answer'>[] = [];
    const end = (): void => {
      if (relay.open > 0 || again) return;
      const last: AnyBody =
        faults.length > 0 ? { text: faults.map((fault) => fault.text).join('; ') } : {};
      const [fault] = faults;
      if (fault && faults.length === sources.length) {
        replier.fail({
          errorCode: errorCodes.unresponsive.number,
          text: fault.text ?? '',
          node: fault.node,
        });
      } else replier.ok(last);
    };
    const add = (source: Source): void => {
      if (seen.has(source.run)) return;
      seen.add(source.run);
      relay.add(source, (text) => {
        if (text !== undefined) faults.push({ ok: false, node: source.names.node, text });
        end();
      });
    };
    const follower = (runs: ReadonlySet<string>): void => {
      if (!again || runs.size === 0) return;
      for (const source of again()) {
        if (runs.has(source.run))
          add({ ...source, ask: { ...source.ask, tail: undefined, since: undefined } });
      }
    };
    if (again) this.#followers.add(follower);
    replier.onDrop(() => {
      this.#followers.delete(follower);
      relay.stop();
    });
    for (const source of sources) add(source);
    end();
  }
}
