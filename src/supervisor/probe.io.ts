/**
 * Asks a program how it is over the network: whether a TCP port accepts, whether a URL answers
 * with 2xx or 3xx. Never waits for longer than its time. A question is void where its own timer
 * came late: then this process was kept from running, and nothing is known about the other.
 */
import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { connect } from 'node:net';
import type { HealthCheck } from './liveness-spec.ts';
import { tcpTarget } from './liveness-spec.ts';

export interface Checked {
  readonly result: 'passed' | 'failed' | 'void';
  /** Why it failed, in a few words. */
  readonly text: string;
}

/** Of the time an answer has; below this a timer is late by chance. */
const LATE_RATIO = 0.25;
const LATE_MIN_MS = 50;

const passed: Checked = { result: 'passed', text: '' };
const failed = (text: string): Checked => ({ result: 'failed', text });

export function probe({ by, target, timeoutMs }: HealthCheck): Promise<Checked> {
  const { promise, resolve } = Promise.withResolvers<Checked>();
  const begunMs = performance.now();
  const end = by === 'tcp' ? overTcp(target, resolve) : overUrl(target, resolve);
  const timer = setTimeout(() => {
    const lateMs = performance.now() - begunMs - timeoutMs;
    const isLate = lateMs > Math.max(LATE_MIN_MS, timeoutMs * LATE_RATIO);
    resolve(isLate ? { result: 'void', text: '' } : failed(`no answer within ${timeoutMs} ms`));
  }, timeoutMs);
  return promise.finally(() => {
    clearTimeout(timer);
    end();
  });
}

type Tell = (checked: Checked) => void;

function overTcp(target: string, tell: Tell): () => void {
  const where = tcpTarget(target);
  if (!where) {
    tell(failed(`${target} is no port`));
    return () => undefined;
  }
  const socket = connect({ ...where, autoSelectFamily: true });
  socket.once('connect', () => tell(passed));
  socket.on('error', (error) => tell(failed(wordsOf(error))));
  return () => socket.destroy();
}

/** A certificate is not looked at: who answers on this node is asked how it is, not who. */
function overUrl(target: string, tell: Tell): () => void {
  const options = { agent: false as const, headers: { 'user-agent': 'lotc', connection: 'close' } };
  const ask = target.startsWith('https:')
    ? overHttps(target, { ...options, rejectUnauthorized: false })
    : overHttp(target, options);
  ask.once('response', ({ statusCode = 0 }) => {
    tell(statusCode >= 200 && statusCode < 400 ? passed : failed(`it answered ${statusCode}`));
  });
  ask.on('error', (error) => tell(failed(wordsOf(error))));
  ask.end();
  return () => ask.destroy();
}

function wordsOf(error: NodeJS.ErrnoException & { readonly errors?: readonly Error[] }): string {
  const [first] = error.errors ?? [];
  return error.message || (first?.message ?? error.code ?? 'it cannot be reached');
}
