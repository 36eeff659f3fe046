/**
 * Identities as an admin sees them, and what others see in place of what may be secret: values of
 * environment variables are for those who may define tasks.
 */
import type { AnyBody, Shape } from '../../net/layout.ts';
import { identityRow } from './model/rows.ts';
import type { State } from './model/state.ts';
import type { Peer } from './ports.ts';

export function identityRows(
  state: State,
  seenUs: (spki: string) => number | undefined,
): readonly Shape<'identity'>[] {
  const rows = [...state.identities.values()].map((record) => {
    // A node's own record knows since when it is here, or gone.
    const node = state.nodes.get(record.node ?? '');
    return identityRow(record, seenUs(record.spki) ?? node?.lastSeen);
  });
  return rows.sort((a, b) => (a.identity < b.identity ? -1 : 1));
}

/** Shown in place of a value. */
const MASK = '***';

export function maskedFor(state: State, { role, spki }: Peer, body: AnyBody): AnyBody {
  if (role === 'admin') return body;
  if (state.identities.get(spki)?.grants?.includes('define')) return body;
  const { tasks, schedules } = body;
  return {
    ...body,
    tasks: tasks?.map((task) => ({ ...task, spec: masked(task.spec) })),
    schedules: schedules?.map(masked),
  };
}

function masked<T extends { readonly env?: Readonly<Record<string, string>> | undefined }>(of: T) {
  const { env } = of;
  if (!env) return of;
  return { ...of, env: Object.fromEntries(Object.keys(env).map((name) => [name, MASK])) };
}
