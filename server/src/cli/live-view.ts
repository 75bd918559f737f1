import { stripVTControlCharacters } from 'node:util';

const redrawMs = 60;

/** A block of lines that stays at the bottom of the terminal, with the log running above it. */
export class LiveView {
  readonly #out: NodeJS.WriteStream;
  #drawn = 0;
  #rows: string[] = [];
  #log: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** A line of the log; escape sequences other than colours are taken out. */
  line(text: string): void {
    this.#log.push(text.replace(/\u001b\[[\d;?]*[A-Za-ln-z]|\r|\u001b[^[]/g, ''));
    this.#schedule();
  }

  /** Replaces the block. */
  show(rows: string[]): void {
    this.#rows = rows;
    this.#schedule();
  }

  /** Draws a last time and leaves the block where it is. */
  close(): void {
    this.#draw();
    this.#drawn = 0;
    this.#rows = [];
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => this.#draw(), redrawMs);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // A terminal that does not know its size says 0.
    const columns = this.#out.columns || 80;
    const height = this.#out.rows || 24;
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : '';
    const block = this.#rows.slice(0, Math.max(1, height - 2)).map((row) => cut(row, columns - 1));
    const lines = [...this.#log, ...block].map((line) => `${line}\n`).join('');
    this.#log = [];
    this.#drawn = block.length;
    this.#out.write(`${up}\r\u001b[J${lines}`);
  }
}

function cut(text: string, columns: number): string {
  return stripVTControlCharacters(text).length <= columns
    ? text
    : `${stripVTControlCharacters(text).slice(0, columns - 1)}…`;
}
