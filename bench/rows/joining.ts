/**
 * The server's door under load: how many nodes join in a second, against bare TLS that issues the
 * same certificates; a fleet that comes back after the server's restart; and how admins are
 * answered while strangers knock.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:tls';
import {
  issueKeyPair,
  makeAuthority,
  makeRequest,
  selfSigned,
} from '../../src/net/certificate.io.ts';
import { dial } from '../../src/net/dial.io.ts';
import { Link } from '../../src/net/link.io.ts';
import { parseToken, tokenKey } from '../../src/net/token.ts';
import { joinLights, tellLight } from '../lights.ts';
import {
  cpuWithChildrenMs,
  digits,
  type Finding,
  inTurns,
  median,
  perSecond,
  quantile,
  type Row,
  sleep,
} from '../measure.ts';
import { end, floor, node, openSession, Rig } from '../rig.ts';

const ROUNDS = 3;
const TURN_MS = 3_000;
const LANES = 16;
const RETURN = 2_000;
const RETURN_GOAL_MS = 15_000;
const FLOOD_A_SECOND = 2_000;
const FLOOD_MS = 15_000;

interface Key {
  readonly certificate: string;
  readonly key: string;
}

async function enrolOne(rig: Rig, shown: Key): Promise<void> {
  const { addresses, authority } = rig.identity;
  const name = `j${randomBytes(6).toString('hex')}`;
  const { csr } = await makeRequest(name);
  const { socket } = await dial({ servers: addresses, credentials: { authority, ...shown } });
  const link = new Link({ socket, side: 'opener' });
  const instance = randomBytes(8).toString('hex');
  await link.enrol({ csr, instance, build: 'bench', node: name });
  await link.close();
}

/** The floor's server, and what is needed to ask it. */
async function issuer(rig: Rig) {
  const authority = await makeAuthority('bench');
  const pair = await issueKeyPair(authority, { fleet: 'bench', name: 'bench', role: 'server' });
  const server = { ca: authority.certificate, cert: pair.certificate, key: pair.key };
  const shared = { minVersion: 'TLSv1.3', ALPNProtocols: ['lotc/2'] } as const;
  writeFileSync(rig.path('issuer.json'), JSON.stringify({ ...server, ...shared }));
  writeFileSync(rig.path('authority.json'), JSON.stringify(authority));
  const child = rig.spawn(node, [
    floor('issue.ts'),
    rig.path('issuer.json'),
    rig.path('authority.json'),
  ]);
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const reach = { ca: authority.certificate, host: '127.0.0.1', port: Number(line.toString()) };
  return async ({ certificate: cert, key }: Key): Promise<void> => {
    const { csr } = await makeRequest(`j${randomBytes(6).toString('hex')}`);
    const checkServerIdentity = (): undefined => undefined;
    const socket = connect({ ...reach, ...shared, cert, key, checkServerIdentity });
    await once(socket, 'secureConnect');
    socket.write(csr);
    await once(socket, 'data');
    socket.destroy();
  };
}

export const joining: Row = {
  name: 'joining',
  limitMs: 300_000,
  async run() {
    await using rig = await Rig.open();
    const ask = await issuer(rig);
    const shown = await selfSigned(tokenKey(parseToken(rig.token(100_000))));
    const [ours = [], bare = []] = await inTurns(ROUNDS, [
      () => perSecond(LANES, TURN_MS, () => enrolOne(rig, shown)),
      () => perSecond(LANES, TURN_MS, () => ask(shown)),
    ]);
    const part = median(ours) / median(bare);
    return [
      {
        what: `nodes that join a second (a new key, its request, journaled, certified), ${LANES} at once, client and server on one machine`,
        figure: `${digits(median(ours))}/s`,
        against: `bare TLS of Node that certifies the same requests and records nothing: ${digits(median(bare))}/s`,
        result: `${part.toFixed(2)}×`,
        goal: '≥ 0.7×',
        met: part >= 0.7,
      },
    ];
  },
};

export const comeback: Row = {
  name: 'comeback',
  limitMs: 600_000,
  async run() {
    await using rig = await Rig.open();
    const lights = await joinLights(rig, RETURN);
    await Promise.all(lights.map((light) => tellLight(light, 'keep')));
    await rig.online(RETURN, 180_000);
    const times: number[] = [];
    const shares: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      if (rig.server) await end(rig.server);
      const begun = performance.now();
      await rig.startServer();
      await rig.online(RETURN, 180_000);
      const ms = performance.now() - begun;
      times.push(ms);
      shares.push(cpuWithChildrenMs(rig.pid) / ms);
    }
    const ms = median(times);
    return [
      {
        what: `${RETURN} agents (light) come back: from the server's start until all are online`,
        figure: `${digits(ms / 1_000)} s; the server's CPU is ${Math.round(median(shares) * 100)} % of one core of that time`,
        against: '–',
        result: `${digits(ms / 1_000)} s`,
        goal: '≤ 15 s',
        met: ms <= RETURN_GOAL_MS,
      },
    ];
  },
};

export const knocking: Row = {
  name: 'knocking',
  limitMs: 180_000,
  async run() {
    await using rig = await Rig.open();
    const idle = await asked(rig, AbortSignal.timeout(FLOOD_MS));
    const [address = ''] = rig.identity.addresses;
    const port = address.slice(address.lastIndexOf(':') + 1);
    const words = ['127.0.0.1', port, String(FLOOD_A_SECOND), String(FLOOD_MS)];
    const flood = rig.spawn(node, [floor('flood.cjs'), ...words]);
    const told = once(flood.stdout as NodeJS.ReadableStream, 'data');
    const over = new AbortController();
    void told.finally(() => over.abort());
    const busy = await asked(rig, over.signal);
    const { made, seconds } = JSON.parse(String((await told)[0])) as Flooded;
    const name = `${digits(made / seconds)} connections of garbage a second, on the same two cores`;
    return [
      against(`an admin's session asks: p99 beside ${name}`, busy.kept, idle.kept),
      against(`an admin comes in and asks: p99 beside ${name}`, busy.fresh, idle.fresh),
    ];
  },
};

interface Flooded {
  readonly made: number;
  readonly seconds: number;
}

interface Asked {
  readonly kept: readonly number[];
  readonly fresh: readonly number[];
}

function against(what: string, busy: readonly number[], idle: readonly number[]): Finding {
  const [high, low] = [quantile(busy, 0.99), quantile(idle, 0.99)];
  return {
    what,
    figure: `${digits(high)} ms (p50 ${digits(median(busy))}, ${busy.length} asked)`,
    against: `idle: ${digits(low)} ms (p50 ${digits(median(idle))})`,
    result: `${(high / low).toFixed(2)}×`,
    goal: '≤ 5×',
    met: high <= 5 * low,
  };
}

/** By a session that is there, and by sessions of their own, until `over`. */
async function asked(rig: Rig, over: AbortSignal): Promise<Asked> {
  const [kept, fresh] = [[] as number[], [] as number[]];
  const link = await rig.session();
  const { identity } = rig;
  const timed = async (times: number[], one: () => Promise<unknown>): Promise<void> => {
    const begun = performance.now();
    await one();
    times.push(performance.now() - begun);
  };
  const query = (of: Link) => of.request('retQuery', { query: 'nodes' });
  while (!over.aborted) {
    await timed(kept, () => query(link));
    await timed(fresh, async () => {
      const own = await openSession(identity);
      await query(own);
      void own.close();
    });
    await sleep(20);
  }
  return { kept, fresh };
}
