import type { ArenaState, Player } from '../room/state.ts';
import { BULLET_LIFE_MS, TICK_MS } from '../room/world.ts';
import { Camera } from './camera.ts';
import type { Controls } from './controls.ts';
import { OwnShip } from './own-ship.ts';
import { colorOf } from './palette.ts';
import {
  drawBullet,
  drawLabel,
  drawMoveFlash,
  drawPickup,
  drawShip,
  drawStick,
  Floor,
  type ShipLook,
} from './scene.ts';
import { Sparks } from './sparks.ts';
import { DELAY_MS, type Pose, Timeline } from './timeline.ts';

interface Shot {
  owner: string;
  color: string;
  x: number;
  y: number;
  vx: number;
  vy: number;
  born: number;
  /** The patch that last held it. */
  seen: number;
  /** Time of the room at which it was gone. */
  ended?: number;
}

const FLASH_MS = 900;

/** Draws the newest state of the room, evenly, as often as the screen allows. */
export class GameView {
  me = '';
  private readonly canvas: HTMLCanvasElement;
  private readonly controls: Controls;
  private readonly camera = new Camera();
  private readonly floor = new Floor();
  private readonly sparks = new Sparks();
  private readonly timeline = new Timeline();
  private readonly shots = new Map<number, Shot>();
  private own = new OwnShip();
  private state: ArenaState | undefined;
  private patch = 0;
  private living = new Set<string>();
  private flashedAt = Number.NEGATIVE_INFINITY;

  constructor(canvas: HTMLCanvasElement, controls: Controls) {
    this.canvas = canvas;
    this.controls = controls;
  }

  restart(me: string): void {
    this.me = me;
    this.state = undefined;
    this.own = new OwnShip();
    this.timeline.reset();
    this.shots.clear();
    this.living.clear();
  }

  flash(now: number): void {
    this.flashedAt = now;
  }

  /** @param latency round trip in ms */
  update(state: ArenaState, now: number, latency: number): void {
    this.state = state;
    this.patch++;
    const ships = new Map<string, Pose>();
    for (const [id, player] of state.players) {
      if (player.alive) ships.set(id, { x: player.x, y: player.y, angle: player.angle });
      else if (this.living.has(id))
        this.sparks.burst(player.x, player.y, colorOf(player.color), 46, 260, 0.7);
    }
    this.living = new Set(ships.keys());
    this.timeline.add(state.time, now, ships);
    this.updateShots(state);
    const mine = ships.get(this.me);
    if (mine) this.own.correct(mine.x, mine.y, now, latency + TICK_MS);
  }

  private updateShots(state: ArenaState): void {
    for (const { id, owner, x, y, vx, vy, born } of state.bullets) {
      const known = this.shots.get(id);
      if (known) {
        known.seen = this.patch;
        continue;
      }
      const color = colorOf(state.players.get(owner)?.color ?? 0);
      this.shots.set(id, { owner, color, x, y, vx, vy, born, seen: this.patch });
    }
    for (const shot of this.shots.values()) if (shot.seen !== this.patch) shot.ended ??= state.time;
  }

  draw(now: number, dt: number): void {
    const { canvas, camera, state } = this;
    camera.resize(canvas);
    const context = canvas.getContext('2d', { alpha: false })!;
    const body = this.own.body;
    camera.follow(body.x, body.y);
    this.floor.draw(context, camera);
    if (!state) return;

    const alive = state.players.get(this.me)?.alive === true;
    if (alive) this.own.advance(this.controls.read(...camera.toScreen(body.x, body.y)), now, dt);
    const present = this.timeline.roomTime(now);
    camera.apply(context);
    for (const { active, kind, x, y } of state.pickups) if (active) drawPickup(context, x, y, kind, now);
    this.drawShots(context, present);
    this.drawShips(context, state, present - DELAY_MS);
    this.sparks.draw(context, dt);
    const flash = 1 - (now - this.flashedAt) / FLASH_MS;
    if (flash > 0) drawMoveFlash(context, flash);
    context.setTransform(camera.ratio, 0, 0, camera.ratio, 0, 0);
    for (const stick of this.controls.sticks) if (stick) drawStick(context, stick);
  }

  private drawShots(context: CanvasRenderingContext2D, present: number): void {
    for (const [id, shot] of this.shots) {
      // The player's own shots leave the ship where it is drawn: now, not in the delayed past.
      const time = shot.owner === this.me ? present : present - DELAY_MS;
      const age = time - shot.born;
      const over = age > BULLET_LIFE_MS || (shot.ended !== undefined && time >= shot.ended);
      const x = shot.x + (shot.vx * Math.max(age, 0)) / 1000;
      const y = shot.y + (shot.vy * Math.max(age, 0)) / 1000;
      if (over) {
        this.shots.delete(id);
        if (age < BULLET_LIFE_MS) this.sparks.burst(x, y, shot.color, 7, 120, 0.25);
      } else if (age >= 0) drawBullet(context, x, y, shot.vx, shot.vy, age, shot.color);
    }
  }

  private drawShips(context: CanvasRenderingContext2D, state: ArenaState, time: number): void {
    const drawn: { x: number; y: number; look: ShipLook }[] = [];
    for (const [id, player] of state.players) {
      if (!player.alive) continue;
      const pose =
        id === this.me ? { ...this.own.body, angle: this.controls.wish.angle } : this.timeline.pose(id, time);
      if (!pose) continue;
      const look = this.look(id, player, state.leader);
      drawShip(context, pose.x, pose.y, pose.angle, look);
      drawn.push({ x: pose.x, y: pose.y, look });
    }
    for (const { x, y, look } of drawn) drawLabel(context, x, y, this.camera.scale, look);
  }

  private look(id: string, player: Player, leader: string): ShipLook {
    const { name, hp, shield, rapid, online } = player;
    return {
      name,
      hp,
      shield,
      rapid,
      online,
      color: colorOf(player.color),
      mine: id === this.me,
      leader: id === leader,
    };
  }
}
