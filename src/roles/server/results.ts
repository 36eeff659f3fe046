/**
 * Which result files there are, for a console. Files follow the end of their run by as long as
 * the node takes to collect and send them; who wants to fetch them waits for those on their way,
 * unless the node is away: then the answer says so, and they come when it is back.
 */
import { isRunId } from '../../base/ids.ts';
import type { Req, Shape } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import type { Controller } from './controller.ts';
import { Refusal } from './model/change.ts';
import { nodeNamed, selectNodes } from './model/resolve.ts';
import { resultsOf } from './model/results.ts';
import { latestRun, runsKey } from './model/runs.ts';
import type { RunRecord, State } from './model/state.ts';
import { answerInPages } from './pages.ts';
import type { Replier } from './ports.ts';

type Query = Req<'retQuery'>;
type Kept = Shape<'kept'>;

export class Results {
  readonly #controller: Controller;
  readonly #agents: Pick<AgentServer, 'isPresent'>;
  readonly #waiting = new Set<(runs: ReadonlySet<string>) => void>();

  constructor(controller: Controller, agents: Pick<AgentServer, 'isPresent'>) {
    this.#controller = controller;
    this.#agents = agents;
    controller.onChange(({ results, command }) => {
      if (results.size > 0 || command.kind === 'detach')
        for (const look of [...this.#waiting]) look(results);
    });
  }

  /** Throws `Refusal` where there is nothing; with `wait` answers when nothing is on its way. */
  read(query: Query, replier: Replier): void {
    const { state } = this.#controller;
    const find = (): Found => this.#find(query);
    const answer = ({ rows }: Found): void =>
      answerInPages(replier, { keeps: rows, seq: state.seq });
    const first = find();
    if (query.wait !== true || first.coming.size === 0) return answer(first);
    const look = (): void => {
      const now = find();
      if (now.coming.size > 0) return;
      this.#waiting.delete(look);
      answer(now);
    };
    this.#waiting.add(look);
    // A sign: who asks without one for long gives up.
    replier.more({ keeps: [] });
    replier.onDrop(() => this.#waiting.delete(look));
  }

  #find(query: Query): Found {
    const { state } = this.#controller;
    const run = query.run ?? query.names?.find(isRunId);
    const rows = run === undefined ? this.#ofTask(query) : [this.#ofRun(run)];
    const coming = new Set<string>();
    for (const { run: one, last } of rows) {
      // What its node cannot keep or send for now has said so: nobody waits for that.
      const isNear = last === false && !state.results.has(one);
      const uid = isNear ? state.runs.get(one)?.uid : undefined;
      if (uid !== undefined && this.#agents.isPresent(uid)) coming.add(one);
    }
    return { rows, coming };
  }

  #ofRun(run: string): Kept {
    const { state } = this.#controller;
    const kept = state.results.get(run)?.kept;
    if (kept) return kept;
    const record = state.runs.get(run);
    if (!record) {
      throw new Refusal('no-such-run', `there are no result files of a run "${run}"`, LOOK);
    }
    if (!record.ended) {
      const text = `run ${run} is ${record.row.processState}; its files are kept when it has ended`;
      throw new Refusal('running', text, `to wait for that: lotc admin wait ${run}`);
    }
    if (!isComing(record)) throw none(`run ${run}`, state, record.task);
    return this.#comingOf(record);
  }

  #ofTask(query: Query): readonly Kept[] {
    const { state } = this.#controller;
    const [task = '', nodeName] = (query.names?.[0] ?? '').split('@', 2);
    const kept = resultsOf(state, task);
    if (kept.length === 0 && !state.tasks.has(task)) {
      throw new Refusal('no-such-task', `there is no task "${task}"`, 'see: lotc admin task ls');
    }
    const isMeant = meant(state, nodeName, query.on);
    const rows: Kept[] = [];
    const newest = new Map<string, Kept>();
    for (const { kept: row, uid } of kept) {
      if (!isMeant(uid, row.node ?? '')) continue;
      rows.push(row);
      newest.set(uid, row);
    }
    for (const { uid, name } of state.nodes.values()) {
      const ended = endedOf(state, task, uid);
      if (!ended || !isMeant(uid, name)) continue;
      const row = this.#comingOf(ended);
      rows.push(row);
      newest.set(uid, row);
    }
    if (rows.length === 0) throw none(`task "${task}"`, state, task);
    return query.all === true ? rows : [...newest.values()];
  }

  /** Ended, and not here yet. */
  #comingOf({ run, task, uid }: RunRecord): Kept {
    const node = this.#controller.state.nodes.get(uid)?.name;
    const reason = this.#agents.isPresent(uid)
      ? 'they are on their way'
      : `node ${node} is away; it delivers them when it is back`;
    return { run, task, node, reason, last: false };
  }
}

interface Found {
  readonly rows: readonly Kept[];
  /** Runs whose files will be here soon. */
  readonly coming: ReadonlySet<string>;
}

const LOOK = 'see: lotc admin results NAME --all --list';

/** It began and ended, and its node has not told of its files. One that never began has none. */
const isComing = ({ collected, ended, row }: RunRecord): boolean =>
  ended && row.collects === true && row.startedAt !== undefined && collected !== true;

/** The newest ended run whose node will have something to say about files. */
function endedOf(state: State, task: string, uid: string): RunRecord | undefined {
  const latest = latestRun(state, task, uid);
  const runs = state.index.runsOf.get(runsKey(task, uid)) ?? (latest ? [latest.run] : []);
  return runs
    .map((run) => state.runs.get(run))
    .findLast((record) => record !== undefined && isComing(record));
}

function meant(
  state: State,
  nodeName: string | undefined,
  on: string | undefined,
): (uid: string, name: string) => boolean {
  if (nodeName !== undefined && on === undefined) return (_, name) => name === nodeName;
  if (nodeName !== undefined) nodeNamed(state, nodeName);
  const uids = on === undefined ? undefined : new Set(selectNodes(state, on).map(({ uid }) => uid));
  return (uid, name) =>
    (uids === undefined || uids.has(uid)) && (nodeName === undefined || name === nodeName);
}

function none(what: string, state: State, task: string | undefined): Refusal {
  const globs = task === undefined ? undefined : state.tasks.get(task)?.spec.results;
  const hint =
    globs === undefined && task !== undefined
      ? `to keep files of its runs: lotc admin task set ${task} --results 'out/*'`
      : 'they are kept when a run has ended';
  return new Refusal('nothing-matches', `there are no result files of ${what}`, hint);
}
