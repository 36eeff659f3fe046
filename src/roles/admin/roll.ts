/**
 * A question to each of some nodes, and who has not answered it when the time is up. Which nodes
 * there are is asked beside the question itself, so that it costs no time where all answer.
 */
import { formatDurationMs } from '../../base/duration.ts';
import { LotcError } from '../../base/errors.ts';
import { few } from '../../base/few.ts';

/** Nodes that are named where many do not answer. */
const NAMED = 10;

type Nodes = readonly { readonly node: string }[];
type Selected = Promise<{ readonly nodes?: Nodes | undefined }>;

export class Roll {
  #names: readonly string[] = [];
  readonly #answered = new Set<string>();

  constructor(selected: Selected) {
    // What is wrong with the selection is told by the answer to the question itself.
    void this.#know(selected).catch(() => undefined);
  }

  async #know(selected: Selected): Promise<void> {
    const { nodes = [] } = await selected;
    this.#names = nodes.map(({ node }) => node).sort();
  }

  /** All are asked once more. */
  begin(): void {
    this.#answered.clear();
  }

  answered(nodes: Nodes): void {
    for (const { node } of nodes) this.#answered.add(node);
  }

  /** Undefined: as far as is known here it is not the nodes that are slow. */
  overdue(timeoutMs: number): LotcError | undefined {
    const left = this.#names.filter((name) => !this.#answered.has(name));
    if (left.length === 0) return undefined;
    const nodes = `node${left.length === 1 ? '' : 's'} ${few(left, NAMED)}`;
    const text = `no answer within ${formatDurationMs(timeoutMs)} of ${nodes}`;
    const node = left.length === 1 ? left[0] : undefined;
    const hint = 'how they are: lotc admin nodes; to wait longer: --timeout';
    return new LotcError('timeout', text, { node, hint });
  }
}
