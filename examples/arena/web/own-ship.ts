import { type Body, moveShip } from '../room/world.ts';
import type { Wish } from './controls.ts';

/** Farther off than this the ship is put where the room says it is. */
const SNAP = 130;
/** Share of the error that one patch corrects. */
const CORRECTION = 0.2;

/** The player's own ship, moved at once by the same rules as in the room and gently corrected by what the room says. */
export class OwnShip {
  readonly body: Body = { x: 0, y: 0, vx: 0, vy: 0 };
  private past: { at: number; x: number; y: number }[] = [];
  private placed = false;

  advance(wish: Wish, now: number, dt: number): void {
    // Steps no longer than the room's, so that corners are taken alike.
    for (let left = Math.min(dt, 0.25); left > 0; left -= 1 / 30) {
      moveShip(this.body, wish.x, wish.y, Math.min(left, 1 / 30));
    }
    this.past.push({ at: now, x: this.body.x, y: this.body.y });
    if (this.past.length > 90) this.past.shift();
  }

  /** @param lag ms between a wish here and its effect in a patch that arrives here */
  correct(x: number, y: number, now: number, lag: number): void {
    const then = this.past.findLast(({ at }) => at <= now - lag) ?? { x: this.body.x, y: this.body.y };
    const dx = x - then.x;
    const dy = y - then.y;
    const far = !this.placed || Math.hypot(dx, dy) > SNAP;
    if (far) {
      Object.assign(this.body, { x, y, vx: 0, vy: 0 });
      this.past = [];
      this.placed = true;
      return;
    }
    const shiftX = dx * CORRECTION;
    const shiftY = dy * CORRECTION;
    this.body.x += shiftX;
    this.body.y += shiftY;
    for (const entry of this.past) {
      entry.x += shiftX;
      entry.y += shiftY;
    }
  }
}
