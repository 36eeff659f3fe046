/** dissector.lua and frames that somebody broke: no error inside Lua, no hang, nothing lost. */
import { afterAll, expect, test } from 'vitest';
import { brokenCapture } from './mutate.ts';
import { Tshark } from './tshark.ts';

const tshark = new Tshark();
afterAll(() => tshark[Symbol.dispose]());

const FRAMES = 4_000;

test.each([1, 2, 3, 4, 5, 6])(
  `${FRAMES} broken frames of seed %i are shown without an error of the module's own`,
  (seed) => {
    const file = tshark.path(`${seed}.pcap`);
    brokenCapture(seed, FRAMES).write(file);
    // Asking for fields builds every tree; an error of the module would be an item of it.
    const errors = ['_ws.lua.error', 'lotc.expert.internal'];
    const rows = tshark.fields(file, 'lotc', [...errors, 'lotc.message']);
    expect(rows.filter(([lua = '', own = '']) => lua !== '' || own !== '')).toEqual([]);
    expect(rows.length).toBeGreaterThan(FRAMES / 2);
  },
  300_000,
);
