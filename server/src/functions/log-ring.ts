import { printable } from '../telemetry/index.ts';

/** Lines of one function that are kept. */
const MAX_LINES = 1_000;
/** UTF-16 units of one line; what is longer is cut. */
const MAX_LINE = 8 * 1024;
/** … and of all lines together. */
const MAX_TEXT = 512 * 1024;
/** A secret shorter than that would be found everywhere. */
const SHORTEST_SECRET = 4;

export interface LogLine {
  /** Grows, also over restarts of the service. */
  number: number;
  /** Milliseconds since 1970. */
  time: number;
  level: 'debug' | 'info' | 'warn' | 'error';
  text: string;
  /** Of the function; 0 = before it was deployed. */
  version: number;
}

/** What a function wrote last; the oldest lines give way. */
export class LogRing {
  #lines: LogLine[] = [];
  #text = 0;
  #last = Date.now();
  #waiting = new Set<() => void>();

  /** @param secrets values that are not to be in the text, in exactly that form */
  push(line: Omit<LogLine, 'number' | 'time'>, secrets: readonly string[] = []): void {
    let { text } = line;
    // the longest first: one may be part of another
    for (const secret of secrets.toSorted((a, b) => b.length - a.length))
      if (secret.length >= SHORTEST_SECRET) text = text.replaceAll(secret, '[secret]');
    text = printable(text);
    if (text.length > MAX_LINE) text = `${text.slice(0, MAX_LINE)} … (${text.length} characters)`;
    this.#lines.push({ ...line, text, number: ++this.#last, time: Date.now() });
    this.#text += text.length;
    while (this.#lines.length > MAX_LINES || this.#text > MAX_TEXT)
      this.#text -= this.#lines.shift()!.text.length;
    for (const wake of [...this.#waiting]) wake();
  }

  /** The lines after number `after`, the oldest first; of more than `limit` the newest. */
  read(after: number, limit: number): LogLine[] {
    return this.#lines.filter(({ number }) => number > after).slice(-limit);
  }

  /** Resolves when there is a line after number `after`, or after `ms`. */
  async wait(after: number, ms: number): Promise<void> {
    if ((this.#lines.at(-1)?.number ?? 0) > after) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
    });
  }
}
