import { clamp } from '../room/world.ts';

/** A ship as it is drawn at one moment. */
export interface Pose {
  x: number;
  y: number;
  angle: number;
}

interface Frame {
  time: number;
  ships: Map<string, Pose>;
}

/** How far behind the newest state ships are drawn, in ms: two patches and some jitter. */
export const DELAY_MS = 85;
const KEPT = 45;
const WINDOW_MS = 2_500;
const EXTRAPOLATE_MS = 120;
/** A ship that jumps farther than this between two frames was respawned. */
const JUMP = 140;

/** States by the room's time, and the room's time by the page's clock, so that motion is even however patches come. */
export class Timeline {
  private frames: Frame[] = [];
  private offsets: { at: number; offset: number }[] = [];
  private offset: number | undefined;
  private advancedAt = 0;

  add(time: number, now: number, ships: Map<string, Pose>): void {
    const last = this.frames.at(-1);
    if (last && time < last.time) this.reset();
    if (last && time === last.time) return;
    this.frames.push({ time, ships });
    if (this.frames.length > KEPT) this.frames.shift();
    this.offsets.push({ at: now, offset: time - now });
    while (this.offsets[0]!.at < now - WINDOW_MS) this.offsets.shift();
  }

  reset(): void {
    this.frames = [];
    this.offsets = [];
    this.offset = undefined;
  }

  /** The room's time now, as far as the page knows; drifts gently towards the quickest patch of the last seconds. */
  roomTime(now: number): number {
    let best = Number.NEGATIVE_INFINITY;
    for (const { offset } of this.offsets) best = Math.max(best, offset);
    if (best === Number.NEGATIVE_INFINITY) return 0;
    const passed = now - this.advancedAt;
    this.advancedAt = now;
    if (this.offset === undefined || Math.abs(best - this.offset) > 400) this.offset = best;
    else this.offset += clamp(best - this.offset, -passed * 0.08, passed * 0.08);
    return now + this.offset;
  }

  /** Where a ship was at that time of the room; `undefined` when it was not there. */
  pose(id: string, time: number): Pose | undefined {
    let i = this.frames.length - 1;
    while (i > 0 && this.frames[i]!.time > time) i--;
    const from = this.frames[i]?.ships.get(id);
    if (!from) return this.frames[i + 1]?.ships.get(id);
    const next = this.frames[i + 1];
    if (!next) return this.ahead(id, from, i, time);
    const to = next.ships.get(id);
    if (!to) return from;
    const span = next.time - this.frames[i]!.time;
    return blend(from, to, clamp((time - this.frames[i]!.time) / span, 0, 1));
  }

  private ahead(id: string, last: Pose, index: number, time: number): Pose {
    const before = this.frames[index - 1];
    const earlier = before?.ships.get(id);
    if (!before || !earlier) return last;
    const span = this.frames[index]!.time - before.time;
    const over = clamp(time - this.frames[index]!.time, 0, EXTRAPOLATE_MS);
    return blend(earlier, last, 1 + over / span);
  }
}

function blend(a: Pose, b: Pose, share: number): Pose {
  if (Math.hypot(b.x - a.x, b.y - a.y) > JUMP) return b;
  const turn = Math.atan2(Math.sin(b.angle - a.angle), Math.cos(b.angle - a.angle));
  return {
    x: a.x + (b.x - a.x) * share,
    y: a.y + (b.y - a.y) * share,
    angle: a.angle + turn * Math.min(share, 1),
  };
}
