import { expect, test } from 'vitest';
import { AUDIT_START, auditHash } from '../../net/audit.ts';
import { nameOfSyslog, parseSyslog, syslogMessage } from './syslog.ts';

const entry = { number: 7, seq: 9, at: 1_795_478_400_000_123, who: 'ann', verb: 'taskRun' };

test('where to: a path, or a host with the port of syslog', () => {
  expect(parseSyslog('/dev/log')).toEqual({ path: '/dev/log' });
  expect(parseSyslog('udp:logs.example')).toEqual({ host: 'logs.example', port: 514 });
  expect(nameOfSyslog(parseSyslog('udp:[fd00::5]:5514'))).toBe('udp:[fd00::5]:5514');
  for (const wrong of ['', 'tcp:x', 'dev/log', 'udp:', 'udp:x:y']) {
    expect(() => parseSyslog(wrong), wrong).toThrow(expect.objectContaining({ exitCode: 2 }));
  }
});

test('an entry is one message whose text is the line that the chain is of', () => {
  const hash = auditHash(AUDIT_START, entry);
  const source = { host: 'srv 1', pid: 42 };
  const text = syslogMessage({ ...entry, hash }, source);
  const [head = '', line = ''] = text.split(/ - (?=\{)/);
  expect(head).toBe('<110>1 2026-11-24T00:00:00.000123Z srv1 lotc 42 audit');
  const { hash: told, ...fields } = JSON.parse(line) as Record<string, unknown>;
  expect(told).toBe(hash);
  expect(fields).toMatchObject({ number: 7, who: 'ann', what: 'taskRun', answer: 'ok' });
  const refused = syslogMessage({ ...entry, errorCode: 6, text: 'a\nb', hash }, source);
  expect(refused.startsWith('<108>1 ')).toBe(true);
  expect(refused).not.toContain('\n');
});
