/** Joining a fleet in the world: the steps of enrol.ts with connections and files. */
import { build } from '../../base/build.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import { Backoff } from '../../net/backoff.ts';
import { makeRequest, selfSigned } from '../../net/certificate.io.ts';
import { dial, probeAuthority } from '../../net/dial.io.ts';
import { Link } from '../../net/link.io.ts';
import { parseToken, type Token, tokenKey } from '../../net/token.ts';
import { dropKey, type NodeIdentity, readKey, storeIdentity, storeKey } from './data.io.ts';
import { type EnrolStep, judgeEnrolment } from './enrol.ts';
import { rest } from './rest.io.ts';

export interface EnrolOptions {
  readonly data: string;
  readonly servers: readonly string[];
  readonly token: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly instance: string;
  readonly keylog: string | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Undefined: told to stop before it was done. Throws what ends the agent. */
export async function enrol(options: EnrolOptions): Promise<NodeIdentity | undefined> {
  const { log, signal } = options;
  const token = parseToken(options.token);
  const backoff = new Backoff();
  while (!signal.aborted) {
    const at: { step: EnrolStep } = { step: 'probe' };
    try {
      return await attempt(options, token, at);
    } catch (error) {
      if (signal.aborted) return undefined;
      const verdict = judgeEnrolment(at.step, error);
      if (verdict.kind === 'end') {
        await dropKey(options.data);
        throw verdict.error;
      }
      log('warn', 'not enrolled yet; trying again', { reason: verdict.why });
      await rest(backoff.next(Math.random()), signal);
    }
  }
  return undefined;
}

async function attempt(
  options: EnrolOptions,
  token: Token,
  at: { step: EnrolStep },
): Promise<NodeIdentity> {
  const { data, servers, name, labels, instance, keylog, signal } = options;
  const authority = await probeAuthority(servers, token.pin, { keylog, signal });
  at.step = 'ask';
  const { key, csr } = await request(data, name);
  const shown = await selfSigned(tokenKey(token));
  const { socket } = await dial({
    ...{ servers, keylog, signal },
    credentials: { authority, certificate: shown.certificate, key: shown.key },
  });
  await using link = new Link({ socket, side: 'opener' });
  const late = setTimeout(() => void link.close('no answer in time'), limits.handshakeMs);
  const stop = (): void => void link.close('the agent stops');
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    const granted = await link.enrol({ csr, instance, build: build.version, node: name, labels });
    const { certificate, fleet, node = name, uid = '' } = granted;
    const identity = { node, uid, fleet, authority, certificate, key };
    await storeIdentity(data, identity);
    return identity;
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(late);
  }
}

async function request(data: string, name: string): Promise<{ key: string; csr: Uint8Array }> {
  const old = await readKey(data);
  const made = await makeRequest(name, old);
  if (old === undefined) await storeKey(data, made.key);
  return made;
}
