const SPAN_MS = 30_000;
/** Gap at which a bar reaches the top, in ms. */
const TALLEST = 120;

interface Mark {
  at: number;
  text: string;
}

/** The time between state patches over the last 30 seconds, with a line where the room changed host. */
export class Strip {
  longest = 0;
  patches = 0;
  private readonly canvas: HTMLCanvasElement;
  private gaps: { at: number; ms: number }[] = [];
  private marks: Mark[] = [];
  private last: number | undefined;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
    // A hidden tab gets its events late; that is not the room's doing.
    document.addEventListener('visibilitychange', () => this.pause());
  }

  patch(now: number): void {
    this.patches++;
    if (this.last !== undefined && !document.hidden) {
      const ms = now - this.last;
      this.gaps.push({ at: now, ms });
      this.longest = Math.max(this.longest, ms);
    }
    this.last = now;
  }

  /** The next patch begins a new measurement, as after joining. */
  pause(): void {
    this.last = undefined;
  }

  mark(now: number, text: string): void {
    this.marks.push({ at: now, text });
  }

  reset(): void {
    this.longest = 0;
  }

  draw(now: number): void {
    const ratio = Math.min(devicePixelRatio, 2);
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (this.canvas.width !== Math.round(width * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const context = this.canvas.getContext('2d')!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.gaps = this.gaps.filter(({ at }) => at > now - SPAN_MS);
    this.marks = this.marks.filter(({ at }) => at > now - SPAN_MS);
    const xOf = (at: number) => width - ((now - at) / SPAN_MS) * width;
    const bar = Math.max(1, (width / SPAN_MS) * 33 - 0.5);
    for (const { at, ms } of this.gaps) {
      const tall = Math.min(1, ms / TALLEST) * (height - 6);
      context.fillStyle = ms < 70 ? '#2c4254' : ms < 100 ? '#c9a54f' : '#ff7a90';
      context.fillRect(xOf(at) - bar, height - tall, bar, tall);
    }
    this.drawMarks(context, now, xOf, height);
  }

  private drawMarks(
    context: CanvasRenderingContext2D,
    now: number,
    xOf: (at: number) => number,
    height: number,
  ) {
    context.font = '600 11px ui-sans-serif, system-ui, sans-serif';
    context.textBaseline = 'top';
    let free = this.canvas.clientWidth;
    // The newest first: its text stays whole, older ones are left out where they would run into it.
    for (const { at, text } of this.marks.toReversed()) {
      const x = Math.round(xOf(at));
      const glow = Math.max(0, 1 - (now - at) / 1_500);
      context.fillStyle = `rgb(92 200 255 / ${0.3 * glow})`;
      context.fillRect(x - 14 * glow, 0, 28 * glow, height);
      context.fillStyle = '#5cc8ff';
      context.fillRect(x - 1, 0, 2, height);
      const wide = context.measureText(text).width + 14;
      const left = x + wide <= this.canvas.clientWidth ? x + 6 : x - wide + 6;
      if (left + wide <= free) {
        context.fillText(text, left, 4);
        free = Math.min(left, x) - 4;
      } else free = Math.min(free, x - 4);
    }
  }
}
