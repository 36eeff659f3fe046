import { expect, test } from 'vitest';
import type { Shape } from '../../net/layout.ts';
import { hookTakes, nameOfHook, parseHooks } from './hook-rule.ts';

const event = (eventKind: string, more: Partial<Shape<'event'>> = {}): Shape<'event'> => ({
  ...{ seq: 1, at: 1, eventKind, text: '' },
  ...more,
});

const one = (text: string) => {
  const [rule] = parseHooks([text]);
  if (!rule) throw new Error('no rule');
  return rule;
};

test('kinds, globs and short words choose events', () => {
  const takes = (kinds: string, of: Shape<'event'>): boolean => hookTakes(one(`${kinds}=/x`), of);
  expect(takes('process-exited', event('process-exited'))).toBe(true);
  expect(takes('process-exited', event('process-failed'))).toBe(false);
  expect(takes('node-*', event('node-online'))).toBe(true);
  expect(takes('node-*', event('task-created'))).toBe(false);
  expect(takes('failed', event('process-exited', { ok: false }))).toBe(true);
  expect(takes('failed', event('process-exited'))).toBe(false);
  expect(takes('failed', event('bundle-failed'))).toBe(true);
  expect(takes('hung,away', event('node-unresponsive'))).toBe(true);
  expect(takes('hung', event('process-hung'))).toBe(true);
  expect(takes('lost', event('process-lost'))).toBe(true);
  expect(takes('late', event('firing-late'))).toBe(true);
  expect(takes('late', event('firing-failed'))).toBe(false);
});

test('no hook is told of hooks unless it says so by name', () => {
  expect(hookTakes(one('*=/x'), event('hook-failed'))).toBe(false);
  expect(hookTakes(one('failed,*-failed=/x'), event('hook-failed'))).toBe(false);
  expect(hookTakes(one('hook-failed=/x'), event('hook-failed'))).toBe(true);
  expect(hookTakes(one('hook-*=/x'), event('hook-failed'))).toBe(true);
});

test('what is no hook is refused with the reason, the nearest word and exit code 2', () => {
  const said = (...texts: string[]): string => {
    try {
      parseHooks(texts);
      return 'nothing';
    } catch (error) {
      const { exitCode, message, hint } = error as { exitCode: number } & Error & { hint?: string };
      return `${exitCode} ${message} ${hint ?? ''}`;
    }
  };
  expect(said('proces-failed=/x')).toMatch(
    /^2 .*no kind of event "proces-failed".*"process-failed"/,
  );
  expect(said('faild=/x')).toContain('did you mean "failed"?');
  expect(said('nodes-*=/x')).toContain('no kind of event is like "nodes-*"');
  expect(said('failed')).toContain('not KINDS=PROGRAM');
  expect(said('=/x')).toContain('not KINDS=PROGRAM');
  expect(said('failed=')).toContain('not KINDS=PROGRAM');
  expect(said('failed,=/x')).toContain('there is no kind of event ""');
  expect(said('failed=tell')).toContain('neither a URL nor a path');
  expect(said('failed=ftp://x/')).toContain('no URL of http');
  expect(said('failed=http://a:secret@x/')).not.toContain('secret');
  expect(said(...Array.from({ length: 33 }, (_, n) => `failed=/${n}`))).toContain('at most 32');
});

test('one target is one hook; a name never tells what follows the host', () => {
  expect(parseHooks(['failed=/x', 'hung,failed=/x', 'late=/y'])).toEqual([
    { kinds: ['failed', 'hung'], target: '/x', isUrl: false },
    { kinds: ['late'], target: '/y', isUrl: false },
  ]);
  expect(nameOfHook(one('late=https://h.example:8443/T0/secret?k=v=w'))).toBe(
    'https://h.example:8443/…',
  );
  expect(one('late=https://h/?k=v=w').target).toBe('https://h/?k=v=w');
});
