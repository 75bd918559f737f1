import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { LiveView } from '../../server/src/cli/live-view.ts';
import { formatBytes, formatTable } from '../../server/src/cli/output.ts';
import { Screen } from './terminal.ts';

/** A terminal of 40 by 10. */
class Output extends Writable {
  columns = 40;
  rows = 10;
  readonly screen = new Screen();
  #onWrite = () => {};

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.screen.feed(chunk.toString());
    this.#onWrite();
    done();
  }

  drawn(): Promise<void> {
    return new Promise((resolve) => {
      this.#onWrite = resolve;
    });
  }
}

function views() {
  const output = new Output();
  const view = new LiveView(output as unknown as NodeJS.WriteStream);
  return { output, screen: output.screen, view };
}

describe('the live view', () => {
  test('stays below the log', async () => {
    const { output, screen, view } = views();
    view.show(['HOST', 'h1']);
    await output.drawn();
    view.line('first');
    view.line('second');
    await output.drawn();
    view.show(['HOST', 'h1', 'h2']);
    view.line('third');
    await output.drawn();
    expect(screen.lines).toEqual(['first', 'second', 'third', 'HOST', 'h1', 'h2']);
    view.show(['HOST']);
    view.close();
    expect(screen.lines).toEqual(['first', 'second', 'third', 'HOST']);
  });

  test('never grows wider or higher than the terminal', async () => {
    const { screen, view } = views();
    view.show(Array.from({ length: 30 }, (_, n) => `${n} ${'x'.repeat(100)}`));
    view.close();
    expect(screen.lines).toHaveLength(8);
    expect(Math.max(...screen.lines.map((line) => line.length))).toBe(39);
  });

  test('takes 80 by 24 for a terminal that does not know its size', () => {
    const { output, screen, view } = views();
    Object.assign(output, { columns: 0, rows: 0 });
    view.show(Array.from({ length: 30 }, (_, n) => `${n} ${'x'.repeat(100)}`));
    view.close();
    expect(screen.lines).toHaveLength(22);
    expect(screen.lines[0]).toHaveLength(79);
  });

  test('takes escape sequences that move the cursor out of log lines', async () => {
    const { screen, view } = views();
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
