/**
 * Long answers in parts: a body has limits (bytes, items), a fleet has none. A list longer than a
 * page goes out as MORE frames; the last part is the answer itself.
 */
import type { AnyBody } from '../../net/layout.ts';
import type { Replier } from './ports.ts';

/** Rows of some twenty items each stay far below the limit of items a body. */
const ROWS_PER_PAGE = 200;

const lists = [
  ...(['nodes', 'processes', 'tasks', 'bundles', 'operations', 'events', 'tokens'] as const),
  ...(['samples', 'answers', 'schedules', 'fires', 'summaries'] as const),
] as const;

/** Answers with `body`, whose one long list is sent in pages. */
export function answerInPages(replier: Replier, body: AnyBody): void {
  const long = lists.find((name) => (body[name]?.length ?? 0) > ROWS_PER_PAGE);
  if (long === undefined) {
    replier.ok(body);
    return;
  }
  const rows = body[long] ?? [];
  const last = Math.floor((rows.length - 1) / ROWS_PER_PAGE) * ROWS_PER_PAGE;
  for (let at = 0; at < last; at += ROWS_PER_PAGE) {
    replier.more({ [long]: rows.slice(at, at + ROWS_PER_PAGE) });
  }
  replier.ok({ ...body, [long]: rows.slice(last) });
}
