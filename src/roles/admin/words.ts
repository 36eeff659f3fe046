/**
 * Words before and after `--`, kept apart: `start web -- --more arguments`.
 *
 * clipanion stops looking for options at `--` and then forgets where it stood. This option makes
 * its parser go, at `--`, to a place of its own where every further word is taken as it is, and
 * takes `--` itself as a mark. It knows clipanion 3.2's machine: nodes with `statics` (by word)
 * and `dynamics` (by test), each leading to another node through a named reducer.
 */
import { Command } from 'clipanion';

export interface Words {
  readonly words: readonly string[];
  /** Undefined where there was no `--`. */
  readonly tail: readonly string[] | undefined;
}

type Reducer = string | readonly [string, ...unknown[]];
interface Transition {
  to: number;
  reducer?: Reducer | undefined;
}
interface MachineNode {
  dynamics: [test: string | readonly string[], transition: Transition][];
  shortcuts: Transition[];
  statics: Record<string, Transition[]>;
}
interface Builder {
  addRest(options: { name: string }): void;
  compile(): { machine: { nodes: MachineNode[] }; context: unknown };
}
interface ParserState {
  positionals: { value: string; extra: unknown }[];
}

export function readWords(): Words {
  const option = {
    [Command.isOption]: true,
    definition(builder: Builder, key: string): void {
      builder.addRest({ name: key });
      const compile = builder.compile.bind(builder);
      builder.compile = () => {
        const compiled = compile();
        leadTailAway(compiled.machine.nodes);
        return compiled;
      };
    },
    transformer(_builder: Builder, _key: string, state: ParserState): Words {
      const all = state.positionals.splice(0).map(({ value }) => value);
      const mark = all.indexOf('--');
      if (mark < 0) return { words: all, tail: undefined };
      return { words: all.slice(0, mark), tail: all.slice(mark + 1) };
    },
  };
  return option as unknown as Words;
}

const isMark = (test: string | readonly string[]): boolean =>
  Array.isArray(test) && test[0] === 'isOption' && test[1] === '--';

function leadTailAway(nodes: MachineNode[]): void {
  const tail: MachineNode = { dynamics: [], shortcuts: [], statics: {} };
  const to = nodes.length;
  tail.dynamics.push(['always', { to, reducer: 'pushExtraNoLimits' }]);
  for (const node of nodes) {
    for (const [end, transitions] of Object.entries(node.statics)) {
      const selects = transitions.filter(({ reducer }) => reducer?.[0] === 'setSelectedIndex');
      const help = node.dynamics.some(([, { reducer }]) => reducer === 'pushExtra');
      if (selects.length > 0 && !help) tail.statics[end] = selects;
    }
    for (const [test, transition] of node.dynamics) {
      if (!isMark(test)) continue;
      transition.to = to;
      transition.reducer = 'pushExtraNoLimits';
    }
  }
  nodes.push(tail);
}
