/**
 * What a task says about liveness: the rule a run is watched by, and which values are none that
 * could be meant. Pure. Who makes a task asks `livenessFault` first; the agent takes the rule.
 */

import { roughDurationMs } from '../base/duration.ts';
import { limits } from '../base/limits.ts';
import type { LivenessRule, OnHang } from './liveness-rule.ts';

/** As a task's spec has them. */
export interface GivenLiveness {
  readonly watchdogMs?: number | undefined;
  readonly startTimeoutMs?: number | undefined;
  readonly runTimeoutMs?: number | undefined;
  readonly onHang?: string | undefined;
  readonly healthExec?: string | undefined;
  readonly healthTcp?: string | undefined;
  readonly healthHttp?: string | undefined;
  readonly healthEveryMs?: number | undefined;
  readonly healthTimeoutMs?: number | undefined;
  readonly healthFailures?: number | undefined;
  readonly healthDelayMs?: number | undefined;
  readonly stopGraceMs?: number | undefined;
}

/** What is asked, and what for an answer is waited so long. */
export interface HealthCheck {
  readonly by: 'exec' | 'tcp' | 'http';
  /** A command of sh(1); `HOST:PORT` or `PORT`; a URL. */
  readonly target: string;
  readonly timeoutMs: number;
}

export const onHangs: readonly OnHang[] = ['restart', 'abort', 'continue', 'notify'];

export function livenessRule(given: GivenLiveness): LivenessRule {
  const { watchdogMs, startTimeoutMs, runTimeoutMs, onHang } = given;
  const { healthEveryMs = limits.healthEveryMs, healthFailures = limits.healthFailures } = given;
  const { healthDelayMs = 0, stopGraceMs = limits.stopGraceMs } = given;
  const health = { everyMs: healthEveryMs, failures: healthFailures, delayMs: healthDelayMs };
  return {
    ...{ watchdogMs, startTimeoutMs, runTimeoutMs, graceMs: stopGraceMs },
    health: healthCheck(given) && health,
    onHang: onHangs.find((one) => one === onHang) ?? 'restart',
  };
}

/** Undefined: the task is not asked how it is. */
export function healthCheck(given: GivenLiveness): HealthCheck | undefined {
  const { healthExec, healthTcp, healthHttp, healthEveryMs = limits.healthEveryMs } = given;
  const { healthTimeoutMs = Math.min(limits.healthTimeoutMs, healthEveryMs) } = given;
  const timeoutMs = healthTimeoutMs;
  if (healthExec !== undefined) return { by: 'exec', target: healthExec, timeoutMs };
  if (healthTcp !== undefined) return { by: 'tcp', target: healthTcp, timeoutMs };
  if (healthHttp !== undefined) return { by: 'http', target: healthHttp, timeoutMs };
  return undefined;
}

/** Why these values are none; undefined when they are. */
export function livenessFault(given: GivenLiveness): string | undefined {
  const { watchdogMs, startTimeoutMs, runTimeoutMs, onHang } = given;
  const { healthExec, healthTcp, healthHttp, healthFailures } = given;
  const { healthEveryMs, healthTimeoutMs, healthDelayMs } = given;
  const checks = [healthExec, healthTcp, healthHttp].filter((one) => one !== undefined);
  const loose = [healthEveryMs, healthTimeoutMs, healthDelayMs, healthFailures];
  const least = limits.watchdogMinMs;
  return (
    outside('watchdog', watchdogMs, least) ??
    outside('start-timeout', startTimeoutMs, least) ??
    outside('run-timeout', runTimeoutMs, least) ??
    outside('health-every', healthEveryMs, least) ??
    outside('health-timeout', healthTimeoutMs, 1) ??
    outside('health-delay', healthDelayMs, 0) ??
    (onHang === undefined || onHangs.some((one) => one === onHang)
      ? undefined
      : `on-hang: "${onHang}" is none of ${onHangs.join(', ')}`) ??
    (checks.length > 1
      ? 'only one of health-exec, health-tcp and health-http can be given'
      : undefined) ??
    (checks.length === 0 && loose.some((one) => one !== undefined)
      ? 'there is no health check: one of health-exec, health-tcp and health-http is missing'
      : undefined) ??
    failuresFault(healthFailures) ??
    (healthExec?.trim() === '' ? 'health-exec: the command is empty' : undefined) ??
    (healthTcp === undefined ? undefined : tcpFault(healthTcp)) ??
    (healthHttp === undefined ? undefined : httpFault(healthHttp))
  );
}

function outside(what: string, ms: number | undefined, leastMs: number): string | undefined {
  const mostMs = limits.livenessMaxMs;
  if (ms === undefined || (ms >= leastMs && ms <= mostMs)) return undefined;
  const text = roughDurationMs;
  return `${what}: ${text(ms)} is not between ${text(leastMs)} and ${text(mostMs)}`;
}

function failuresFault(failures: number | undefined): string | undefined {
  const most = limits.healthFailuresMax;
  if (failures === undefined || (failures >= 1 && failures <= most)) return undefined;
  return `health-failures: ${failures} is not between 1 and ${most}`;
}

/** `PORT` is one of the node's own; an IPv6 address stands in brackets. */
export function tcpTarget(text: string): { host: string; port: number } | undefined {
  const match = /^(?:(?:\[([0-9a-fA-F:.%]+)\]|([A-Za-z0-9._-]+)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? 'localhost', port };
}

function tcpFault(text: string): string | undefined {
  return tcpTarget(text) ? undefined : `health-tcp: "${text}" is neither PORT nor HOST:PORT`;
}

function httpFault(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const known = url?.protocol === 'http:' || url?.protocol === 'https:';
  return known
    ? undefined
    : `health-http: "${text}" is no URL that begins with http:// or https://`;
}
