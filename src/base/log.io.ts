/**
 * The daemons' own log: JSON lines on stderr (pino), or readable lines where stderr is a terminal.
 * Secrets are named here once, and redacted wherever they appear.
 */
import { destination, type Logger, pino } from 'pino';
import { printable } from './printable.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';
/** One line: what happened, and the facts that go with it. */
export type Log = (level: Level, text: string, facts?: Readonly<Record<string, unknown>>) => void;

const SECRETS = ['token', 'secret', 'env', 'key', 'certificate', '*.token', '*.key', '*.env'];

function logger(role: string): Logger {
  const options = {
    base: { role },
    redact: SECRETS,
    level: process.env['LOTC_LOG_LEVEL'] ?? 'info',
  };
  // Synchronous: the last lines before an end are the ones that matter.
  if (!process.stderr.isTTY) return pino(options, destination({ dest: 2, sync: true }));
  return pino(options, { write: (line: string) => process.stderr.write(pretty(line)) });
}

const levels: Record<number, string> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' };

/** `12:00:00.123 warn  text  fact=value`, with nothing in it that a terminal would obey. */
export function pretty(line: string): string {
  const { level, time, msg, role: _, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const clock = new Date(Number(time)).toISOString().slice(11, 23);
  const rest = Object.entries(facts).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const text = [clock, (levels[Number(level)] ?? '').padEnd(5), msg, ...rest].join(' ');
  return `${printable(text)}\n`;
}

export function openLog(role: string): Log {
  const log = logger(role);
  return (level, text, facts = {}) => log[level](facts, text);
}
