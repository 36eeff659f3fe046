import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PrintableStream, printable, printableLine } from './printable.ts';

test('control characters are shown, not obeyed', () => {
  expect(printable('\x1b[31mred\x07\r')).toBe('\\x1b[31mred\\x07\\x0d');
  expect(printable('a\tb\nc')).toBe('a\tb\nc');
  expect(printable('\x7f\x9b\u202e\u2066')).toBe('\\x7f\\x9b\\u202e\\u2066');
  expect(printable('zażółć 🚀')).toBe('zażółć 🚀');
  expect(printableLine('a\nb\tc')).toBe('a\\nb\\tc');
});

test('invalid UTF-8 is shown byte by byte', () => {
  const stream = new PrintableStream();
  expect(stream.push(Buffer.from([0x61, 0xff, 0x9b, 0xc3]))).toBe('a\\xff\\x9b');
  expect(stream.push(Buffer.from([0xb3, 0xe2, 0x82]))).toBe('ó');
  expect(stream.end()).toBe('\\xe2\\x82');
  expect(stream.end()).toBe('');
});

test('any way of cutting the stream gives the same text', () => {
  const bytes = fc.oneof(
    fc.string({ unit: 'binary' }).map((s) => Buffer.from(s)),
    fc.uint8Array(),
  );
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(40)), (content, cuts) => {
      const whole = new PrintableStream();
      const once = whole.push(content) + whole.end();
      const cut = new PrintableStream();
      let text = '';
      let at = 0;
      for (const step of cuts) {
        text += cut.push(content.subarray(at, at + step));
        at += step;
      }
      text += cut.push(content.subarray(at)) + cut.end();
      expect(text).toBe(once);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are the subject
      expect(text).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    }),
  );
});
