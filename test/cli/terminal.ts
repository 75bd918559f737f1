// A terminal: what stands on its screen, and programs that run on a pseudo terminal.
import { type ChildProcess, spawn } from 'node:child_process';
import { atEnd } from '../supervisor/service.ts';

/** The part of a terminal Baton uses: text, line ends, "up n lines", "erase below" and "erase to the right". */
export class Screen {
  lines: string[] = [''];
  #row = 0;
  #column = 0;

  feed(output: string): void {
    const parts = /\x1b\[(\d+)A|(\x1b\[J)|(\x1b\[K)|(\r?\n)|(\r)|([^\x1b\r\n]+)/g;
    for (const [, up, below, right, end, start, text] of output
      .replace(/\x1b\[[\d;]*m/g, '')
      .matchAll(parts)) {
      if (up) this.#row -= Number(up);
      else if (below) this.lines.length = this.#row;
      else if (right) this.lines[this.#row] = this.#line.slice(0, this.#column);
      else if (end) this.#endLine();
      else if (text) this.#write(text);
      else if (start) this.#column = 0;
    }
  }

  get #line(): string {
    return this.lines[this.#row] ?? '';
  }

  #endLine(): void {
    this.lines[this.#row] = this.#line;
    this.#row++;
    this.#column = 0;
  }

  #write(text: string): void {
    const after = this.#column + text.length;
    this.lines[this.#row] = this.#line.slice(0, this.#column) + text + this.#line.slice(after);
    this.#column = after;
  }
}

/** A shell command on a pseudo terminal, which util-linux' `script` makes. */
export class Terminal {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = '';
  readonly #watchers = new Set<() => void>();

  constructor(command: string, env: Record<string, string> = {}) {
    const {
      BATON_URL: _url,
      BATON_CONTROL_TOKEN: _token,
      BATON_LOG_FORMAT: _format,
      ...inherited
    } = process.env;
    this.child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...inherited, SHELL: '/bin/sh', TERM: 'xterm', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      for (const watcher of [...this.#watchers]) watcher();
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', resolve);
    });
    atEnd(async () => {
      // The terminal hangs up; what runs on it ends.
      this.child.kill('SIGTERM');
      await this.ended;
    });
  }

  /** What stands on the screen, if it were high enough to hold everything. */
  get lines(): string[] {
    const screen = new Screen();
    screen.feed(this.output);
    return screen.lines;
  }

  type(keys: string): void {
    this.child.stdin!.write(keys);
  }

  /** Resolves when the screen satisfies `condition`; rejects when the program ends before. */
  until(condition: (lines: string[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const watcher = () => {
        if (!condition(this.lines)) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
      void this.ended.then((code) => reject(new Error(`ended with ${code}:\n${this.output}`)), reject);
      watcher();
    });
  }
}
