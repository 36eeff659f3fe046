/**
 * What dissector.lua finds out about conversations: who answered whom and when, what is missing,
 * late, twice, out of order or beyond what was allowed; and the tables it counts.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { AnyBody } from '../../src/net/bodies.ts';
import { encodeFrame } from '../../src/net/codec.ts';
import type { MessageKind, Shape, State } from '../../src/net/layout.ts';
import { Capture, type Side, type Stream } from './capture.ts';
import { Tshark } from './tshark.ts';

const tshark = new Tshark();
afterAll(() => tshark[Symbol.dispose]());

const MS = 1_000;
const key = new Uint8Array(16);

/** A connection on which one says messages instead of bytes. */
class Talk {
  readonly capture: Capture;
  readonly #stream: Stream;

  constructor(capture: Capture, clientPort: number) {
    this.capture = capture;
    this.#stream = capture.stream({ clientPort });
  }

  say(
    side: Side,
    kind: MessageKind,
    state: State,
    id: number,
    body: AnyBody = {},
    { more = false, again = false, afterUs = 0 } = {},
  ): this {
    this.capture.nowUs += afterUs;
    this.#stream.send(side, encodeFrame({ ...{ kind, state, id, more, again, body } }));
    return this;
  }

  /** Several frames in one packet. */
  together(side: Side, messages: readonly Parameters<typeof encodeFrame>[0][]): this {
    this.#stream.send(side, Buffer.concat(messages.map((one) => encodeFrame(one))));
    return this;
  }

  hello(body: AnyBody, answer: AnyBody = {}): this {
    const build = { build: '0.1.0', features: [] };
    this.say('client', 'hostHello', 'REQ', 1, { ...build, instance: 'i', ...body });
    const at = this.capture.nowUs;
    return this.say('server', 'hostHello', 'OK', 1, {
      ...{ ...build, fleet: 'f', at, heartbeatMs: 1_000 },
      ...answer,
    });
  }
}

let written = 0;

/** Writes a capture of what is said, and answers questions about it. */
function scene(tell: (capture: Capture) => void): {
  /** What the filter leaves, as messages with their ids. */
  readonly find: (filter: string) => string[];
  readonly value: (filter: string, field: string) => string | undefined;
  /** The info column of what the filter leaves. */
  readonly lines: (filter: string) => string[];
  readonly file: string;
} {
  const capture = new Capture();
  tell(capture);
  written += 1;
  const file = tshark.path(`scene-${written}.pcap`);
  capture.write(file);
  return {
    file,
    find: (filter) =>
      tshark
        .fields(file, filter, ['lotc.message', 'lotc.id'])
        .map(([message, id]) => `${message} #${id}`),
    value: (filter, field) => tshark.fields(file, filter, [field])[0]?.[0],
    lines: (filter) => tshark.fields(file, filter, ['_ws.col.Info']).map(([line = '']) => line),
  };
}

const agent = { role: 'agent', node: 'n1' };
const admin = { role: 'admin' };
const process = (run: string, processState: string) => ({ run, task: 'web', processState });

describe('requests and answers', () => {
  const { find, value, lines } = scene((capture) => {
    const talk = new Talk(capture, 50_001).hello(admin, { identity: 'root' });
    talk.say('client', 'taskRun', 'REQ', 3, { key, targets: ['crawl@n1'] });
    talk.say('server', 'taskRun', 'ACK', 3, { operation: 'O1' }, { afterUs: 4 * MS });
    talk.say('server', 'taskRun', 'OK', 3, {}, { afterUs: 15 * MS });
    talk.say('client', 'retQuery', 'REQ', 5, { query: 'nodes' });
    talk.say('client', 'retQuery', 'REQ', 5, { query: 'nodes' }, { again: true });
    talk.say('server', 'retQuery', 'OK', 5, { nodes: [] });
    talk.say('server', 'retQuery', 'OK', 5, { nodes: [] });
    talk.say('client', 'ping', 'REQ', 7);
    talk.say('client', 'retWatch', 'REQ', 9, { query: 'events' });
    talk.say('server', 'retWatch', 'ACK', 9);
    talk.say('server', 'retLog', 'OK', 99);
    talk.say('client', 'ping', 'REQ', 12);
    talk.say('server', 'ping', 'OK', 12);
    talk.say('client', 'retLog', 'REQ', 13, { credit: 1_000, targets: ['crawl'] });
    talk.say('client', 'synDrop', 'REQ', 0, { request: 13 });
    talk.say('server', 'retLog', 'OK', 13);
    talk.say('client', 'taskCont', 'REQ', 15, { key, targets: ['web@n1'] });
    talk.say('server', 'taskCont', 'ERR', 15, { errorCode: 25, text: 'not suspended' });
    const part = { kind: 'retLog', state: 'OK', id: 17, body: {} } as const;
    talk.say('client', 'retLog', 'REQ', 17, { credit: 1_000, targets: ['nap'] });
    talk.together('server', [{ ...part, more: true }, { ...part, more: true }, part]);
    new Talk(capture, 50_002).say('server', 'taskRun', 'OK', 41);
  });

  test('know each other, and how long it took', () => {
    expect(find('lotc.response_in == 8')).toEqual(['TASK RUN REQ #3']);
    expect(find('lotc.ack_in == 7')).toEqual(['TASK RUN REQ #3']);
    expect(find('lotc.response_to == 6')).toEqual(['TASK RUN ACK #3', 'TASK RUN OK #3']);
    expect(Number(value('lotc.message == "TASK RUN OK" && lotc.id == 3', 'lotc.time'))).toBeCloseTo(
      0.0192,
      6,
    );
    expect(Number(value('lotc.ack_time', 'lotc.ack_time'))).toBeCloseTo(0.0041, 6);
  });

  test('one frame ends a request, however many stand in its packet', () => {
    expect(lines('lotc.id == 17 && lotc.state == 2')).toEqual([
      'RET LOG OK #17 [more]; RET LOG OK #17 [more]; RET LOG OK #17 (100 µs)',
    ]);
    expect(value('lotc.id == 17 && lotc.state == 2', 'lotc.time')).toBe('0.000100000');
  });

  test('that were repeated say so in their line', () => {
    const repeated = 'RET QUERY REQ #5 nodes [repeat]';
    expect(lines('lotc.id == 5 && lotc.state == 0')).toEqual(['RET QUERY REQ #5 nodes', repeated]);
  });

  test.each([
    ['repeated', ['RET QUERY REQ #5']],
    ['duplicate', ['RET QUERY OK #5']],
    ['unanswered', ['PING PING REQ #7']],
    ['open', ['RET WATCH REQ #9']],
    ['unasked', ['RET LOG OK #99']],
    ['bad_id', ['PING PING REQ #12']],
    ['withdrawn', ['RET LOG OK #13']],
    ['never_suspended', ['TASK CONT REQ #15']],
    ['failed', ['TASK CONT ERR #15']],
    ['early', ['TASK RUN OK #41']],
  ])('that are %s are named', (name, messages) => {
    expect(find(`lotc.expert.${name}`)).toEqual(messages);
  });
});

describe('runs, reports and firings', () => {
  const { find, file } = scene((capture) => {
    const talk = new Talk(capture, 50_001).hello({ ...agent, generation: 3 });
    const at = capture.nowUs;
    const fire = (seq: number, more: Partial<Shape<'fire'>>) => ({
      ...{ seq, at, entry: 'fire' },
      fire: { schedule: 'nightly', action: 'start', task: 'crawl', plannedUs: at, ...more },
    });
    const report = (id: number, reports: readonly Shape<'report'>[]): void => {
      talk.say('client', 'synReport', 'REQ', id, { reports });
      const seq = reports.at(-1)?.seq ?? 0;
      talk.say('server', 'synReport', 'OK', id, { seq });
    };
    const row = (seq: number, state: string) => ({
      ...{ seq, at, entry: 'process' },
      process: process('R1', state),
    });
    talk.say('server', 'synAssign', 'REQ', 2, { generation: 4, base: 3, items: [] });
    talk.say('server', 'synAssign', 'REQ', 4, { generation: 9, base: 7, items: [] });
    report(3, [row(1, 'pending'), row(2, 'running')]);
    report(5, [row(3, 'suspended')]);
    report(7, [fire(4, { firedUs: at + 300, lateUs: 300, run: 'R2', clockErrorUs: 400 })]);
    report(9, [fire(5, { firedUs: at + 300, lateUs: 300, run: 'R2', result: 'ok' })]);
    report(11, [fire(9, { plannedUs: at + 1, lateUs: 30 * MS, run: 'R3', result: 'ok' })]);
    report(13, [fire(10, { firedUs: at + 900, lateUs: 900, run: 'R4', result: 'ok' })]);
    report(15, [fire(11, { plannedUs: at + 2, result: 'skipped', clockErrorUs: 90 * MS })]);
    talk.say('server', 'synReport', 'OK', 15, { seq: 40 });
    talk.say('server', 'taskCont', 'REQ', 6, { key, targets: ['web'] });
  });

  test('a run is followed through its states', () => {
    const states = tshark.fields(file, 'lotc.run_state', ['lotc.run_state']).flat();
    expect(states).toEqual(['pending,running', 'suspended']);
    expect(tshark.run(['-2', '-r', file, '-Y', 'lotc.run_state', '-V'])).toContain(
      'web: running → suspended (before: frame 8)',
    );
    expect(find('lotc.expert.never_suspended')).toEqual([]);
  });

  test.each([
    ['generation', ['SYN ASSIGN REQ #4']],
    ['fired_late', ['SYN REPORT REQ #11']],
    ['fired_twice', ['SYN REPORT REQ #13']],
    ['fire_failed', ['SYN REPORT REQ #15']],
    ['reports_missing', ['SYN REPORT REQ #11', 'SYN REPORT OK #15']],
    ['clock_error', ['SYN REPORT REQ #15']],
  ])('%s is said where it is so, and nowhere else', (name, messages) => {
    expect(find(`lotc.expert.${name}`)).toEqual(messages);
  });
});

describe('clocks, credit and silence', () => {
  const { find, value } = scene((capture) => {
    const talk = new Talk(capture, 50_001).hello(agent);
    const t1 = capture.nowUs;
    talk.say('client', 'synDef', 'REQ', 3, { t1 });
    const stamps = { t1, t2: t1 + 2_500, t3: t1 + 2_600, errorUs: 40 };
    talk.say('server', 'synDef', 'OK', 3, stamps, { afterUs: 2_000 });
    talk.say('client', 'filePut', 'REQ', 5, { digest: 'sha256:1', sizeBytes: 100 });
    talk.say('server', 'filePut', 'ACK', 5, { offset: 0, credit: 50 });
    const chunk = (offset: number, count: number, more: boolean): void => {
      const body = { offset, data: new Uint8Array(count) };
      talk.say('client', 'fileChunk', 'REQ', 5, body, { more });
    };
    chunk(0, 50, true);
    talk.say('server', 'fileCredit', 'REQ', 5, { credit: 70 });
    chunk(50, 25, true);
    chunk(80, 20, false);
    talk.say('server', 'ping', 'REQ', 2, {}, { afterUs: 2_900 * MS });
    talk.say('client', 'ping', 'OK', 2, {}, { afterUs: 200 * MS });
    talk.say('server', 'ping', 'REQ', 4, {}, { afterUs: 2_000 * MS });
    talk.say('server', 'ping', 'REQ', 6, {}, { afterUs: 1_500 * MS });
    talk.say('server', 'ping', 'REQ', 8, {}, { afterUs: 1_500 * MS });
  });

  test('offset, delay and bound come from four stamps', () => {
    // Asked at 0, there at 2.5 ms by the other clock, back at 2.1 ms: 1.5 ms ahead, 2 ms long.
    expect(value('lotc.syn.offset_us', 'lotc.syn.offset_us')).toBe('1500');
    expect(value('lotc.syn.offset_us', 'lotc.syn.delay_us')).toBe('2000');
    expect(value('lotc.syn.offset_us', 'lotc.syn.bound_us')).toBe('1040');
  });

  test('chunks tell how far they are, and what they may not', () => {
    expect(find('lotc.progress == 50')).toEqual(['FILE CHUNK REQ #5']);
    expect(find('lotc.expert.credit')).toHaveLength(2);
    expect(find('lotc.expert.chunk_gap && lotc.offset == 80')).toHaveLength(1);
    expect(find('lotc.expert.chunk_gap')).toHaveLength(1);
  });

  test('silence beyond what the heartbeat allows is said of the silent side', () => {
    expect(find('lotc.expert.silence')).toEqual(['PING PING OK #2', 'PING PING REQ #6']);
  });
});

describe('the line of a message that has no sentence of its own', () => {
  const { lines } = scene((capture) => {
    const talk = new Talk(capture, 50_001);
    talk.say('server', 'filePut', 'ACK', 3, { offset: 0, credit: 524_288 });
    const fire = { schedule: 'nightly', action: 'start', task: 'crawl', plannedUs: 1_000_000 };
    talk.say('server', 'retQuery', 'OK', 5, { fires: [fire, fire] });
    talk.say('server', 'retQuery', 'OK', 7, { fires: [{ ...fire, node: 'n1', result: 'ok' }] });
    talk.say('client', 'retQuery', 'REQ', 9, { query: 'fires', names: [] });
    const timing = { at: 1_796_126_400_000_000 };
    const body = { key, targets: ['crawl@n1'], timing };
    talk.say('client', 'taskRun', 'REQ', 11, body);
  });

  test.each([
    [3, 'FILE PUT ACK #3 offset 0, credit 524288'],
    [5, 'RET QUERY OK #5 2 fires'],
    [7, 'RET QUERY OK #7 crawl@n1 → firing 1970-01-01T00:00:01Z ok'],
    [9, 'RET QUERY REQ #9 fires'],
    [11, 'TASK RUN REQ #11 crawl@n1 → firing 2026-12-01T12:00:00Z'],
  ])('#%i', (id, line) => {
    expect(lines(`lotc.id == ${id}`)).toEqual([line]);
  });
});

describe('the tables', () => {
  const { file } = scene((capture) => {
    const talk = new Talk(capture, 50_001).hello(agent);
    for (let n = 1; n <= 100; n += 1) {
      talk.say('client', 'ping', 'REQ', 2 * n + 1);
      talk.say('server', 'ping', 'OK', 2 * n + 1, {}, { afterUs: n * MS - 100 });
    }
    talk.say('server', 'ping', 'REQ', 2);
    talk.say('client', 'ping', 'OK', 2);
    const at = capture.nowUs;
    const planned = { schedule: 'nightly', action: 'start', task: 'crawl', plannedUs: at };
    const fire = { ...planned, firedUs: at + 1_500, lateUs: 1_500, result: 'ok' };
    talk.say('client', 'synReport', 'REQ', 301, { reports: [{ seq: 1, at, entry: 'fire', fire }] });
    const console = new Talk(capture, 50_002).hello(admin, { identity: 'root' });
    console.say('client', 'taskKill', 'REQ', 3, { key, targets: ['web'] });
    console.say('server', 'taskKill', 'ERR', 3, { errorCode: 24, text: 'web is not running' });
  });

  test.each([
    ['-X', 'lua_script1:stats'],
    ['-o', 'lotc.statistics:TRUE'],
  ])('count messages, firings and errors (%s %s)', (...how) => {
    const text = tshark.run(['-q', '-r', file, ...how]);
    const cells = text.split('\n').map((line) => line.trim().split(/\s{2,}/u));
    const row = (name: string) => cells.find((line) => line.includes(name));
    const pings = cells.filter((line) => line.includes('PING PING'));
    const [node, , asker, frames, bytes, answered, least, mean, p95, most, errors, open] =
      pings[0] ?? [];
    expect([node, asker, frames, bytes, answered]).toEqual(['n1', 'n1', '200', '4200', '100']);
    expect(pings[1]?.slice(0, 6)).toEqual(['n1', 'PING PING', 'server', '2', '42', '1']);
    expect([least, mean, most]).toEqual(['1.0 ms', '50.5 ms', '100.0 ms']);
    expect(Number.parseFloat(p95 ?? '')).toBeCloseTo(95, -0.5);
    expect([errors, open]).toEqual(['0', '0']);
    expect(row('SYN REPORT')?.at(-1)).toBe('1');
    expect(row('nightly')?.slice(2, 4)).toEqual(['crawl', 'nightly']);
    expect(row('nightly')?.slice(5)).toEqual(['1.5 ms late', '?', 'ok']);
    expect(row('TASK KILL ERR')).toContain('not-running: web is not running');
    expect(row('TASK KILL')?.[0]).toBe('root');
  });

  test('count what a filter leaves', () => {
    const words = ['-X', 'lua_script1:stats=lotc.category == 1'];
    const text = tshark.run(['-q', '-r', file, ...words]);
    expect(text).toContain('TASK KILL');
    expect(text).not.toContain('PING');
  });
});
