/** Light agents (light.ts) in two processes of their own. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { node, type Rig } from './rig.ts';

/** So many that have joined, not connected yet. */
export async function joinLights(rig: Rig, count: number): Promise<ChildProcess[]> {
  const half = count / 2;
  const token = rig.token(count);
  const script = join(import.meta.dirname, 'light.ts');
  const lights = [1, half + 1].map((first) =>
    rig.spawn(node, [script, rig.path('s'), String(first), String(half), token]),
  );
  await Promise.all(lights.map(({ stdout }) => once(stdout as NodeJS.ReadableStream, 'data')));
  return lights;
}

/** What it answers to a line. */
export async function tellLight({ stdin, stdout }: ChildProcess, line: string): Promise<string> {
  if (!stdin || !stdout) throw new Error('no pipes');
  const answered = once(stdout, 'data');
  stdin.write(`${line}\n`);
  return String((await answered)[0]).trim();
}
