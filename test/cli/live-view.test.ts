import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { LiveView } from '../../server/src/cli/live-view.ts';
import { formatBytes, formatTable } from '../../server/src/cli/output.ts';

/** The part of a terminal the view uses: text, line ends, "up n lines" and "erase below". */
class Screen extends Writable {
  columns = 40;
  rows = 10;
  lines: string[] = [''];
  #row = 0;
  #onWrite = () => {};

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (const [, up, erase, end, text] of chunk
      .toString()
      .matchAll(/\x1b\[(\d+)A|(\x1b\[J)|(\r?\n|\r)|([^\x1b\r\n]+)/g)) {
      if (up) this.#row -= Number(up);
      else if (erase) this.lines.length = this.#row;
      else if (end?.includes('\n')) this.#row++;
      else if (text) this.lines[this.#row] = (this.lines[this.#row] ?? '') + text;
    }
    this.#onWrite();
    done();
  }

  drawn(): Promise<void> {
    return new Promise((resolve) => {
      this.#onWrite = resolve;
    });
  }
}

async function views() {
  const screen = new Screen();
  return { screen, view: new LiveView(screen as unknown as NodeJS.WriteStream) };
}

describe('the live view', () => {
  test('stays below the log', async () => {
    const { screen, view } = await views();
    view.show(['HOST', 'h1']);
    await screen.drawn();
    view.line('first');
    view.line('second');
    await screen.drawn();
    view.show(['HOST', 'h1', 'h2']);
    view.line('third');
    await screen.drawn();
    expect(screen.lines).toEqual(['first', 'second', 'third', 'HOST', 'h1', 'h2']);
    view.show(['HOST']);
    view.close();
    expect(screen.lines).toEqual(['first', 'second', 'third', 'HOST']);
  });

  test('never grows wider or higher than the terminal', async () => {
    const { screen, view } = await views();
    view.show(Array.from({ length: 30 }, (_, n) => `${n} ${'x'.repeat(100)}`));
    view.close();
    expect(screen.lines).toHaveLength(8);
    expect(Math.max(...screen.lines.map((line) => line.length))).toBe(39);
  });

  test('takes escape sequences that move the cursor out of log lines', async () => {
    const { screen, view } = await views();
    view.line('a\x1b[2J\x1b[10Ab\rc\x1b[?25ld');
    view.close();
    expect(screen.lines).toEqual(['abcd']);
  });
});

test('formatTable sets words to the left and figures to the right', () => {
  expect(
    formatTable(
      ['HOST', 'ROOMS', 'CPU'],
      [
        ['h1', '7', '3 %'],
        ['h10', '1200', '-'],
      ],
    ),
  ).toEqual(['HOST  ROOMS  CPU', 'h1        7  3 %', 'h10    1200    -']);
});

test.each([
  [undefined, '-'],
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [200 * 1024 ** 2, '200 MiB'],
])('formatBytes(%p)', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
