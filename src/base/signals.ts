/**
 * Linux signals: names and numbers of x86-64 and arm64 (the same on both, signal(7)). People write
 * `TERM`, `SIGTERM`, `term` or `15`; LOTC says `SIGTERM` on the wire and in JSON.
 */
import { LotcError } from './errors.ts';

const names = [
  ...['HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2'],
  ...['PIPE', 'ALRM', 'TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG'],
  ...['XCPU', 'XFSZ', 'VTALRM', 'PROF', 'WINCH', 'IO', 'PWR', 'SYS'],
];

/** The number of `SIGTERM`; undefined for what is no signal. Real-time: `SIGRTMIN+3`, `SIG37`. */
export function signalNumber(name: string): number | undefined {
  const index = names.indexOf(name.replace(/^SIG/, ''));
  if (index >= 0) return index + 1;
  const realTime = /^SIGRTMIN(?:\+(\d+))?$/.exec(name);
  if (realTime) return 34 + Number(realTime[1] ?? 0);
  const bare = /^SIG(\d+)$/.exec(name);
  return bare ? Number(bare[1]) : undefined;
}

/** `SIGTERM` for 15. */
export function signalName(number: number): string {
  const name = names[number - 1];
  return name === undefined ? `SIG${number}` : `SIG${name}`;
}

/** What a person wrote, as `SIGTERM`; a usage error that names `what` where it is no signal. */
export function parseSignal(text: string, what = 'a signal'): string {
  const upper = text.toUpperCase();
  const name = /^\d+$/.test(upper) ? signalName(Number(upper)) : `SIG${upper.replace(/^SIG/, '')}`;
  const number = signalNumber(name);
  if (number === undefined || number < 1 || number > 64) {
    throw new LotcError('usage', `${what}: "${text}" is not a signal`, {
      hint: 'write for instance TERM, HUP, USR1 or a number from 1 to 64',
    });
  }
  return name;
}
