/** An assignment in the shares that messages carry. */
import { limits } from '../../base/limits.ts';
import type { Shape } from '../../net/layout.ts';

/** Bytes of items in one assignment message, well below the body limit. */
const ITEM_BYTES_PER_MESSAGE = 512 * 1024;

/** As many items as one message carries. */
export function cut(items: readonly Shape<'item'>[]): {
  readonly items: readonly Shape<'item'>[];
  readonly rest: boolean;
} {
  let bytes = 0;
  for (const [index, item] of items.entries()) {
    bytes += item.spec || item.env || item.arguments ? JSON.stringify(item).length : 256;
    const full = index >= limits.assignmentItemsPerMessage || bytes > ITEM_BYTES_PER_MESSAGE;
    if (full && index > 0) return { items: items.slice(0, index), rest: true };
  }
  return { items, rest: false };
}
