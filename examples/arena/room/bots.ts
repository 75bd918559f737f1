import type { Player } from './state.ts';
import { BULLET_SPEED, clearLine, PICKUP_SPOTS, WORLD } from './world.ts';

/** What a bot has in mind; plain data, so that it moves with its room. */
export interface Mind {
  targetId: string;
  goalX: number;
  goalY: number;
  /** Simulated time in ms at which the bot thinks again. */
  thinkAt: number;
  strafe: number;
  skill: number;
}

export interface Wish {
  x: number;
  y: number;
  angle: number;
  fire: boolean;
}

export interface Sight {
  time: number;
  players: Iterable<[string, Player]> & { get(id: string): Player | undefined };
  velocityOf(id: string): { vx: number; vy: number };
  activePickup(index: number): boolean;
  random(): number;
}

const SIGHT = 560;
const PREFERRED = 230;

export const BOT_NAMES =
  'Ada Babbage Curie Dijkstra Euler Faraday Gauss Hopper Ising Joule Kepler Lovelace'.split(' ');

export function newMind(random: () => number): Mind {
  return { targetId: '', goalX: 0, goalY: 0, thinkAt: 0, strafe: 1, skill: 0.35 + random() * 0.55 };
}

/** Looks around a few times a second, steers and aims at every step. */
export function botWish(id: string, me: Player, mind: Mind, sight: Sight, wish: Wish): void {
  if (sight.time >= mind.thinkAt) think(id, me, mind, sight);
  const target = sight.players.get(mind.targetId);
  wish.fire = false;
  if (target?.alive) fight(me, target, mind, sight, wish);
  else travel(me, mind, wish);
}

function think(id: string, me: Player, mind: Mind, sight: Sight): void {
  mind.thinkAt = sight.time + 250 + sight.random() * 350;
  if (sight.random() < 0.3) mind.strafe = -mind.strafe;
  mind.targetId = '';
  let nearest = SIGHT;
  for (const [otherId, other] of sight.players) {
    if (otherId === id || !other.alive || !other.online) continue;
    const distance = Math.hypot(other.x - me.x, other.y - me.y);
    if (distance < nearest && clearLine(me.x, me.y, other.x, other.y)) {
      nearest = distance;
      mind.targetId = otherId;
    }
  }
  const arrived = Math.hypot(mind.goalX - me.x, mind.goalY - me.y) < 50;
  if (arrived || mind.goalX === 0 || sight.random() < 0.06) chooseGoal(mind, sight);
}

function chooseGoal(mind: Mind, sight: Sight): void {
  const index = Math.floor(sight.random() * PICKUP_SPOTS.length);
  const spot = PICKUP_SPOTS[index]!;
  const toPickup = sight.activePickup(index) && sight.random() < 0.7;
  mind.goalX = toPickup ? spot.x : 60 + sight.random() * (WORLD.width - 120);
  mind.goalY = toPickup ? spot.y : 60 + sight.random() * (WORLD.height - 120);
}

function fight(me: Player, target: Player, mind: Mind, sight: Sight, wish: Wish): void {
  const dx = target.x - me.x;
  const dy = target.y - me.y;
  const distance = Math.hypot(dx, dy) || 1;
  const flight = distance / BULLET_SPEED;
  const { vx, vy } = sight.velocityOf(mind.targetId);
  const wobble = Math.sin(sight.time / 310 + mind.skill * 40) * (1 - mind.skill) * 0.3;
  const aim = Math.atan2(dy + vy * flight * mind.skill, dx + vx * flight * mind.skill) + wobble;
  const radial = distance > PREFERRED ? 0.8 : -0.6;
  wish.x = (dx / distance) * radial - (dy / distance) * mind.strafe * 0.8;
  wish.y = (dy / distance) * radial + (dx / distance) * mind.strafe * 0.8;
  wish.angle = turnTowards(wish.angle, aim, 0.22);
  wish.fire = Math.abs(wrap(aim - wish.angle)) < 0.2 && sight.time % 1900 < 1900 * mind.skill;
}

function travel(me: Player, mind: Mind, wish: Wish): void {
  const dx = mind.goalX - me.x;
  const dy = mind.goalY - me.y;
  let angle = Math.atan2(dy, dx);
  // Feel along walls: take the first direction, turning outwards, that is free for a few ship lengths.
  for (const turn of [0, 0.6, -0.6, 1.2, -1.2, 1.9, -1.9]) {
    const tried = angle + turn * mind.strafe;
    if (clearLine(me.x, me.y, me.x + Math.cos(tried) * 96, me.y + Math.sin(tried) * 96)) {
      angle = tried;
      break;
    }
  }
  wish.x = Math.cos(angle) * 0.9;
  wish.y = Math.sin(angle) * 0.9;
  wish.angle = turnTowards(wish.angle, angle, 0.16);
}

function turnTowards(from: number, to: number, most: number): number {
  const difference = wrap(to - from);
  return wrap(from + Math.max(-most, Math.min(most, difference)));
}

function wrap(angle: number): number {
  return Math.atan2(Math.sin(angle), Math.cos(angle));
}
