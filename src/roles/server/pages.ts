/**
 * Long answers in parts: a body has limits (bytes, items), a fleet has none. A list longer than a
 * page goes out as MORE frames; the last part is the answer itself.
 */
import { limits } from '../../base/limits.ts';
import type { AnyBody } from '../../net/layout.ts';
import type { Replier } from './ports.ts';

const ROWS_PER_PAGE = 200;
/** Half of what a body may hold: the rest of the answer goes with the last page. */
const ITEMS_PER_PAGE = limits.cborItems / 2;
const BYTES_PER_PAGE = limits.bodyBytes / 2;

const lists = [
  ...(['nodes', 'processes', 'tasks', 'bundles', 'operations', 'events', 'tokens'] as const),
  ...(['samples', 'answers', 'schedules', 'fires', 'summaries', 'changes', 'keeps'] as const),
  ...(['identities', 'audits'] as const),
] as const;

/** Answers with `body`, whose one long list is sent in pages. */
export function answerInPages(replier: Replier, body: AnyBody): void {
  const long = lists.find((name) => pagesOf<unknown>(body[name] ?? []).length > 1);
  if (long === undefined) {
    replier.ok(body);
    return;
  }
  const pages = pagesOf<unknown>(body[long] ?? []);
  for (const page of pages.slice(0, -1)) replier.more({ [long]: page });
  replier.ok({ ...body, [long]: pages.at(-1) });
}

function pagesOf<Row>(rows: readonly Row[]): readonly (readonly Row[])[] {
  const pages: Row[][] = [];
  let [items, bytes] = [Infinity, 0];
  for (const row of rows) {
    const weight = weigh(row);
    items += weight.items;
    bytes += weight.bytes;
    const page = pages.at(-1);
    const fits = items <= ITEMS_PER_PAGE && bytes <= BYTES_PER_PAGE;
    if (page && fits && page.length < ROWS_PER_PAGE) page.push(row);
    else {
      pages.push([row]);
      ({ items, bytes } = weight);
    }
  }
  return pages;
}

/** Items of CBOR, and at most so many bytes. */
function weigh(value: unknown): { items: number; bytes: number } {
  if (typeof value === 'string') return { items: 1, bytes: 3 * value.length + 5 };
  if (value === null || typeof value !== 'object') return { items: 1, bytes: 9 };
  if (value instanceof Uint8Array) return { items: 1, bytes: value.length + 5 };
  let [items, bytes] = [1, 5];
  for (const [key, inner] of Object.entries(value)) {
    const weight = weigh(inner);
    items += weight.items + 1;
    bytes += weight.bytes + key.length + 5;
  }
  return { items, bytes };
}
