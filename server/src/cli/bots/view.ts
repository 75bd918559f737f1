import { LiveView } from '../live-view.ts';
import type { Course, Second } from './course.ts';
import { spread } from './measure.ts';
import type { Moves } from './moves.ts';
import type { Progress } from './run.ts';

const bars = '▁▂▃▄▅▆▇█';
const mostBars = 60;

/** What a run shows while it goes on: a live view on a terminal, its faults elsewhere. */
export class BotsView implements Progress {
  readonly #title: string;
  readonly #out: NodeJS.WriteStream;
  readonly #view: LiveView | undefined;
  #phase = '';

  constructor(title: string, out: NodeJS.WriteStream = process.stderr) {
    this.#title = title;
    this.#out = out;
    if (out.isTTY) this.#view = new LiveView(out);
  }

  phase(text: string): void {
    this.#phase = text;
    this.#view?.show([`${this.#title}: ${text}`]);
  }

  fault(text: string): void {
    if (this.#view) this.#view.line(`baton: ${text}`);
    else this.#out.write(`baton: ${text}\n`);
  }

  second(course: Course, moves: Moves): void {
    const last = course.seconds.at(-1);
    if (last === undefined) return;
    const blackout = spread(moves.blackout);
    const failed = moves.failed === 0 ? '' : `, ${moves.failed} failed`;
    this.#view?.show([
      `${this.#title}: ${this.#phase}, ${Math.floor(last.at)} s`,
      `  clients      ${last.clients}`,
      `  messages     ${last.sent}/s sent, ${last.received}/s received`,
      `  round trip   p50 ${last.p50} ms, p99 ${last.p99} ms, max ${last.max} ms`,
      `  p99          ${sparkline(course.seconds.slice(-mostBars))}`,
      `  moves        ${moves.done}${failed}, blackout p50 ${blackout.p50} ms, max ${blackout.max} ms`,
    ]);
  }

  /** Takes the view away. */
  close(): void {
    this.#view?.show([]);
    this.#view?.close();
  }
}

function sparkline(seconds: readonly Second[]): string {
  const most = Math.max(...seconds.map(({ p99 }) => p99), 1);
  return seconds.map(({ p99 }) => bars[Math.round((p99 / most) * (bars.length - 1))]).join('');
}
