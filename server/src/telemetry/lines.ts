import { StringDecoder } from 'node:string_decoder';

const longestLine = 64 * 1024;

/** Colours (SGR) may stay; every other control character could move the cursor, set a title or forge a line. */
const unprintable = /\x1b(?!\[[\d;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]/g;

/** Hosts print what clients send: room names, message types. A terminal must not take it for orders. */
export function printable(line: string): string {
  return line.replace(unprintable, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/**
 * Cuts a stream of bytes into lines. A line longer than 64 KiB comes in pieces, so that output without line
 * ends cannot fill memory.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#onLine(printable(line.endsWith('\r') ? line.slice(0, -1) : line));
    if (this.#rest.length > longestLine) this.end();
  }

  /** Gives out what came after the last line end. */
  end(): void {
    if (this.#rest !== '') this.#onLine(printable(this.#rest));
    this.#rest = '';
  }
}
