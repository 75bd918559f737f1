import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter } from '../../server/src/telemetry/lines.ts';

function split(chunks: Buffer[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

describe('LineSplitter', () => {
  test('cuts anywhere, also inside a character', () => {
    const text = fc.array(
      fc.string({ unit: 'grapheme' }).map((line) => line.replace(/[\r\n]/g, '')),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(text, fc.array(fc.nat(40)), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const chunks: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) chunks.push(bytes.subarray(at, (at += cut)));
        chunks.push(bytes.subarray(at));
        expect(split(chunks)).toEqual(lines);
      }),
    );
  });

  test('gives out a last line without end, and drops carriage returns', () => {
    expect(split([Buffer.from('a\r\nb')])).toEqual(['a', 'b']);
  });

  test('gives out an endless line in pieces', () => {
    const chunk = Buffer.alloc(50_000, 'x');
    const lines = split([chunk, chunk, chunk, chunk]);
    expect(lines.map((line) => line.length)).toEqual([100_000, 100_000]);
  });
});
