import { expect, test } from 'vitest';
import { apply } from './apply.ts';
import { lacking } from './certificates.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { encodeEntries, freeze, loadEntries } from './snapshot.ts';
import { emptyState, type Reply, type State } from './state.ts';

function world() {
  const state: State = emptyState();
  let seq = 0;
  const act = <K extends CommandKind>(kind: K, body: CommandBody<K>, by?: string): Reply => {
    seq += 1;
    const key = Buffer.from(String(seq).padStart(16, '0'));
    const stamp = { key, at: seq, who: 'x', origin: '', by };
    return apply(state, { kind, body, ...stamp } as unknown as Command, seq).reply;
  };
  act('found', { fleet: 'f', spki: 'root', identity: 'admin' });
  act('identify', { spki: 'ann', identity: 'ann', role: 'admin' });
  return { state, act };
}

const pins = { pin: 'old', nextPin: 'new', trusts: 'both' };

test('an overlap ends when everybody has the new CA, or by force', () => {
  const { state, act } = world();
  expect(act('depAuthority', { mode: 'finish', ...pins })).toMatchObject({
    ok: false,
    code: 'in-use',
  });
  expect(act('depAuthority', { mode: 'rotate', ...pins }, 'root')).toMatchObject({ ok: true });
  expect(state.ca).toMatchObject({ stage: 'overlap', pin: 'old', nextPin: 'new' });
  expect(lacking(state).map(({ name }) => name)).toEqual(['admin', 'ann']);
  act('trusts', { spki: 'root', trusts: 'both' });
  const early = act('depAuthority', { mode: 'finish', ...pins, trusts: 'one' });
  expect(early).toMatchObject({ ok: false, text: 'they do not have the new CA yet: ann' });
  expect(state.ca?.stage).toBe('overlap');
  // Asked twice, nothing is begun twice.
  const again = act('depAuthority', { mode: 'rotate', ...pins, nextPin: 'x' });
  expect(again).toMatchObject({ ok: true, body: { unchanged: true } });
  act('trusts', { spki: 'ann', trusts: 'both' });
  expect(act('depAuthority', { mode: 'finish', ...pins, trusts: 'one' })).toMatchObject({
    ok: true,
  });
  expect(state.ca).toMatchObject({ stage: 'stable', pin: 'new', trusts: 'one' });
});

test('who is revoked or has lapsed holds up nobody; force leaves behind, and says whom', () => {
  const { state, act } = world();
  act('depAuthority', { mode: 'rotate', ...pins });
  act('trusts', { spki: 'root', trusts: 'both' });
  act('depIdentity', { mode: 'revoke', names: ['ann'] });
  expect(lacking(state)).toEqual([]);
  act('identify', { spki: 'bob', identity: 'bob', role: 'admin' });
  expect(act('depAuthority', { mode: 'finish', ...pins })).toMatchObject({ ok: false });
  expect(act('depAuthority', { mode: 'finish', ...pins, force: true })).toMatchObject({ ok: true });
});

test('tokens name the CA of the moment, and go with it', () => {
  const { state, act } = world();
  const token = { spki: 'b'.repeat(64), role: 'agent', ttlMs: 1e6, usesLeft: 1 };
  expect(act('hostToken', token)).toMatchObject({ body: { pin: undefined } });
  act('depAuthority', { mode: 'rotate', ...pins });
  expect(act('hostToken', token)).toMatchObject({ body: { pin: 'old' } });
  act('depAuthority', { mode: 'finish', ...pins, force: true });
  expect(state.tokens.size).toBe(0);
  expect(act('hostToken', token)).toMatchObject({ body: { pin: 'new' } });
});

test('only an admin rotates; a snapshot keeps where it stands', () => {
  const { state, act } = world();
  state.identities.set('op', { spki: 'op', name: 'op', role: 'operator', createdAt: 1 });
  expect(act('depAuthority', { mode: 'rotate', ...pins }, 'op')).toMatchObject({
    ok: false,
    code: 'not-allowed',
  });
  act('depAuthority', { mode: 'rotate', ...pins });
  const bytes = Buffer.concat([...encodeEntries(freeze(state))]);
  expect(loadEntries(bytes)?.ca).toEqual(state.ca);
});
