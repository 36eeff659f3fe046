import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSafe, isSealed, marked, markOf, opened, sealed, Vault } from './secrets.ts';

const vault = new Vault(new Uint8Array(32).fill(7));
const name = fc.constantFrom('DB', 'api_key', 'tls.pem');

test('what is sealed is opened again, by its key and name only, and says nothing', () => {
  const other = new Vault(new Uint8Array(32).fill(8));
  fc.assert(
    fc.property(name, fc.string({ minLength: 6, maxLength: 200, unit: 'binary' }), (of, value) => {
      const text = vault.seal(of, value);
      expect(isSealed(text)).toBe(true);
      expect(vault.open(of, text)).toBe(Buffer.from(value).toString());
      expect(text).not.toContain(value);
      expect(vault.seal(of, value)).toBe(text);
      expect(vault.open('another', text)).toBeUndefined();
      expect(other.open(of, text)).toBeUndefined();
      expect(other.seal(of, value)).not.toBe(text);
      expect(markOf(text)).not.toContain(value);
    }),
  );
});

test('whatever is changed in it, it does not open', () => {
  const text = vault.seal('DB', 'hunter2');
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: text.length - 1 }),
      fc.constantFrom('A', '_'),
      (at, c) => {
        fc.pre(text[at] !== c && at < text.length - 1);
        expect(vault.open('DB', `${text.slice(0, at)}${c}${text.slice(at + 1)}`)).toBeUndefined();
      },
    ),
  );
  for (const broken of ['', 's:', 's:AAAA', 'v:hunter2', text.slice(0, -4)]) {
    expect(vault.open('DB', broken)).toBeUndefined();
  }
});

test('a spec on its way: plain in, sealed where it stays, a mark to people, plain to a node', () => {
  const spec = { command: ['x'], secretEnv: { DB: 'v:hunter2' }, secretFiles: { key: 'v:AAEC' } };
  expect(isSafe(spec)).toBe(false);
  const kept = sealed(spec, undefined, vault);
  expect(isSafe(kept)).toBe(true);
  expect(JSON.stringify([kept, marked(kept)])).not.toMatch(/hunter2|AAEC/);
  expect(opened(kept, vault)).toEqual(spec);
  // Handed back as it was shown: as it is.
  expect(sealed(marked(kept), kept, vault)).toEqual(kept);
  expect(sealed(spec, kept, vault)).toEqual(kept);
  expect(() => sealed(marked(kept), undefined, vault)).toThrow('not known here');
  const sneaky = { ...spec, secretFiles: { '../x': 'v:' } };
  expect(() => sealed(sneaky, undefined, vault)).toThrow('no name');
});
