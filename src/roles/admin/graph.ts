/** Tasks by what they start after, with the states of their processes, drawn. Pure. */
import { few } from '../../base/few.ts';
import type { Shape } from '../../net/layout.ts';

export interface Vertex {
  readonly name: string;
  /** Others name it, and it is not there any more. */
  readonly missing: boolean;
  readonly after: readonly { readonly task: string; readonly on: string }[];
  readonly afterAll: boolean;
  readonly processes: readonly Shape<'process'>[];
}

export type Graph = ReadonlyMap<string, Vertex>;

/** All tasks that wait for others or are waited for; with `name` what that one hangs together with. */
export function graphOf(
  tasks: readonly Shape<'task'>[],
  processes: readonly Shape<'process'>[],
  name?: string,
): Graph {
  const vertices = new Map<string, Vertex>();
  const runs = Map.groupBy(processes, ({ task = '' }) => task);
  for (const { task, spec } of tasks) {
    const after = (spec.afterTasks ?? []).map(({ task: other, on }) => ({ task: other, on }));
    const afterAll = spec.afterAll === true;
    const own = runs.get(task) ?? [];
    vertices.set(task, { name: task, missing: false, after, afterAll, processes: own });
  }
  for (const { after } of [...vertices.values()]) {
    for (const { task } of after) {
      if (vertices.has(task)) continue;
      const none = { after: [], afterAll: false, processes: [] };
      vertices.set(task, { name: task, missing: true, ...none });
    }
  }
  const next = successorsOf(vertices);
  const kept =
    name === undefined
      ? [...vertices.values()].filter((one) => one.after.length > 0 || next.has(one.name))
      : around(vertices, next, name);
  const sorted = kept.sort((a, b) => (a.name < b.name ? -1 : 1));
  return new Map(sorted.map((vertex) => [vertex.name, vertex]));
}

/** What it starts after, and what starts after it, to the ends. */
function around(vertices: Graph, next: ReadonlyMap<string, readonly string[]>, name: string) {
  const before = reach(name, (one) => (vertices.get(one)?.after ?? []).map(({ task }) => task));
  const behind = reach(name, (one) => next.get(one) ?? []);
  return [...before.union(behind)].flatMap((one) => vertices.get(one) ?? []);
}

function reach(from: string, step: (name: string) => readonly string[]): Set<string> {
  const found = new Set([from]);
  for (const one of found) for (const other of step(one)) found.add(other);
  return found;
}

function successorsOf(graph: Graph): ReadonlyMap<string, readonly string[]> {
  const next = new Map<string, string[]>();
  for (const { name, after } of graph.values()) {
    for (const { task } of after) next.set(task, [...(next.get(task) ?? []), name]);
  }
  for (const names of next.values()) names.sort();
  return next;
}

const NODES_NAMED = 3;

/** `running on n1, n2; exited (1) on n3`. */
export function standing({ missing, processes }: Vertex): string {
  if (missing) return 'not there';
  const byState = Map.groupBy(processes, ({ processState, exitCode, signal }) =>
    processState === 'exited' ? `exited (${signal ?? exitCode ?? '?'})` : processState,
  );
  const parts = [...byState].sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = parts.map(([state, rows]) => {
    const nodes = [...new Set(rows.map(({ node = '' }) => node))].sort();
    return `${state} on ${few(nodes, NODES_NAMED)}`;
  });
  return texts.join('; ') || 'not started';
}

/** How an edge is marked; `all`: on all nodes. */
const edgeText = ({ afterAll }: Vertex, on: string): string => (afterAll ? `${on}, all` : on);

/** Each task below every one that it starts after; what stands above in full is not told again. */
export function treeText(graph: Graph): string {
  const next = successorsOf(graph);
  const told = new Set<string>();
  const lines: string[] = [];
  const below = (name: string, indent: string): void => {
    const names = next.get(name) ?? [];
    for (const [index, child] of names.entries()) {
      const vertex = graph.get(child);
      if (!vertex) continue;
      const isLast = index === names.length - 1;
      const on = vertex.after.find(({ task }) => task === name)?.on ?? '';
      const again = told.has(child) && next.has(child) ? ' …' : '';
      const head = `${indent}${isLast ? '└─ ' : '├─ '}${child} (${edgeText(vertex, on)})`;
      lines.push(`${head}: ${standing(vertex)}${again}`);
      if (told.has(child)) continue;
      told.add(child);
      below(child, `${indent}${isLast ? '   ' : '│  '}`);
    }
  };
  for (const vertex of graph.values()) {
    if (vertex.after.length > 0) continue;
    lines.push(`${vertex.name}: ${standing(vertex)}`);
    below(vertex.name, '');
  }
  return lines.map((line) => `${line}\n`).join('');
}

export function dotText(graph: Graph): string {
  const lines = ['digraph tasks {', '  rankdir=LR;', '  node [shape=box];'];
  for (const vertex of graph.values()) {
    lines.push(`  "${vertex.name}" [label="${vertex.name}\\n${standing(vertex)}"];`);
  }
  for (const vertex of graph.values()) {
    for (const { task, on } of vertex.after)
      lines.push(`  "${task}" -> "${vertex.name}" [label="${edgeText(vertex, on)}"];`);
  }
  return `${[...lines, '}'].join('\n')}\n`;
}

export function mermaidText(graph: Graph): string {
  const ids = new Map([...graph.keys()].map((name, index) => [name, `t${index}`]));
  const lines = ['flowchart LR'];
  for (const vertex of graph.values()) {
    lines.push(`  ${ids.get(vertex.name)}["${vertex.name}<br/>${standing(vertex)}"]`);
  }
  for (const vertex of graph.values()) {
    for (const { task, on } of vertex.after)
      lines.push(`  ${ids.get(task)} -->|"${edgeText(vertex, on)}"| ${ids.get(vertex.name)}`);
  }
  return `${lines.join('\n')}\n`;
}

export const vertexJson = (vertex: Vertex): Record<string, unknown> => ({
  name: vertex.name,
  missing: vertex.missing,
  after: vertex.after,
  afterAll: vertex.afterAll,
  processes: vertex.processes.map(({ node, run, processState, reason }) => ({
    ...{ node: node ?? null, run, state: processState, reason: reason ?? null },
  })),
});
