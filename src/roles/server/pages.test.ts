import { expect, test } from 'vitest';
import { limits } from '../../base/limits.ts';
import { encodeBody } from '../../net/codec.ts';
import { type AnyBody, layouts } from '../../net/layout.ts';
import { answerInPages } from './pages.ts';
import type { Replier } from './ports.ts';

function answered(body: AnyBody): readonly AnyBody[] {
  const parts: AnyBody[] = [];
  const take = (part: AnyBody): void => void parts.push(part);
  answerInPages({ more: take, ok: take } as Partial<Replier> as Replier, body);
  return parts;
}

test('a thousand of whatever an answer lists goes out in parts that fit', () => {
  const at = 1;
  const rows = {
    audits: { number: 1, seq: 1, at, who: 'a', verb: 'v', hash: 'h', targets: ['a', 'b', 'c'] },
    identities: { identity: 'a', role: 'r', spki: 's', createdAt: at, revoked: false },
    events: { seq: 1, at, eventKind: 'k', text: 't', node: 'n', task: 't', who: 'w' },
    nodes: { node: 'n', nodeState: 'online', labels: { a: 'b', c: 'd' }, addresses: ['x'] },
  };
  for (const [name, row] of Object.entries(rows)) {
    const many = Array.from({ length: 1_000 }, () => row);
    const parts = answered({ [name]: many, seq: 5 });
    expect(parts.flatMap((part) => part[name as 'audits'] ?? [])).toHaveLength(1_000);
    for (const part of parts) {
      expect(encodeBody(layouts.retQuery.ok, part).length).toBeLessThan(limits.bodyBytes);
    }
    expect(parts.at(-1)).toMatchObject({ seq: 5 });
  }
});
