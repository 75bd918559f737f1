// The arena's rules, used by the room and by the page: sizes in world units, times in seconds unless they end in MS.

export const WORLD = { width: 1600, height: 900 };
export const TICK_MS = 1000 / 30;
export const SHIP_RADIUS = 18;
export const SHIP_SPEED = 270;
/** Share of the way to the wished velocity that a ship covers in a second, as the rate of an exponential. */
export const SHIP_GRIP = 9;
export const BULLET_SPEED = 640;
export const BULLET_RADIUS = 4;
export const BULLET_LIFE_MS = 1150;
export const FIRE_MS = 230;
export const RAPID_FIRE_MS = 110;
export const DAMAGE = 18;
export const RESPAWN_MS = 2200;
export const POWER_MS = 7000;
export const PICKUP_RADIUS = 15;
export const PICKUP_MS = 9000;
export const BOTS = 12;

export const PickupKind = { heal: 0, rapid: 1, shield: 2 } as const;

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Body {
  x: number;
  y: number;
  vx: number;
  vy: number;
}

export const WALLS: readonly Rect[] = [
  { x: 740, y: 390, w: 120, h: 120 },
  { x: 300, y: 180, w: 44, h: 220 },
  { x: 300, y: 180, w: 200, h: 44 },
  { x: 1256, y: 500, w: 44, h: 220 },
  { x: 1100, y: 676, w: 200, h: 44 },
  { x: 1060, y: 170, w: 240, h: 44 },
  { x: 300, y: 686, w: 240, h: 44 },
  { x: 560, y: 400, w: 44, h: 190 },
  { x: 996, y: 310, w: 44, h: 190 },
  { x: 100, y: 470, w: 110, h: 44 },
  { x: 1390, y: 386, w: 110, h: 44 },
  { x: 770, y: 90, w: 60, h: 130 },
  { x: 770, y: 680, w: 60, h: 130 },
];

export const PICKUP_SPOTS: readonly { x: number; y: number; kind: number }[] = [
  { x: 800, y: 320, kind: PickupKind.rapid },
  { x: 800, y: 580, kind: PickupKind.shield },
  { x: 410, y: 300, kind: PickupKind.heal },
  { x: 1190, y: 600, kind: PickupKind.heal },
  { x: 210, y: 110, kind: PickupKind.shield },
  { x: 1480, y: 780, kind: PickupKind.rapid },
  { x: 1400, y: 250, kind: PickupKind.heal },
  { x: 120, y: 780, kind: PickupKind.heal },
];

/** Advances one ship by `dt` seconds towards the velocity it wishes for (-1…1 per axis) and keeps it out of walls. */
export function moveShip(body: Body, wishX: number, wishY: number, dt: number): void {
  const long = Math.hypot(wishX, wishY);
  const scale = long > 1 ? SHIP_SPEED / long : SHIP_SPEED;
  const grip = 1 - Math.exp(-SHIP_GRIP * dt);
  body.vx += (wishX * scale - body.vx) * grip;
  body.vy += (wishY * scale - body.vy) * grip;
  body.x += body.vx * dt;
  body.y += body.vy * dt;
  for (const wall of WALLS) pushOut(body, wall);
  body.x = clamp(body.x, SHIP_RADIUS, WORLD.width - SHIP_RADIUS);
  body.y = clamp(body.y, SHIP_RADIUS, WORLD.height - SHIP_RADIUS);
}

function pushOut(body: Body, wall: Rect): void {
  const nearX = clamp(body.x, wall.x, wall.x + wall.w);
  const nearY = clamp(body.y, wall.y, wall.y + wall.h);
  const dx = body.x - nearX;
  const dy = body.y - nearY;
  const distance = Math.hypot(dx, dy);
  if (distance >= SHIP_RADIUS) return;
  if (distance > 0) {
    body.x = nearX + (dx / distance) * SHIP_RADIUS;
    body.y = nearY + (dy / distance) * SHIP_RADIUS;
    return;
  }
  // The centre is inside: leave by the nearest side.
  const left = body.x - wall.x;
  const right = wall.x + wall.w - body.x;
  const top = body.y - wall.y;
  const bottom = wall.y + wall.h - body.y;
  const least = Math.min(left, right, top, bottom);
  if (least === left) body.x = wall.x - SHIP_RADIUS;
  else if (least === right) body.x = wall.x + wall.w + SHIP_RADIUS;
  else if (least === top) body.y = wall.y - SHIP_RADIUS;
  else body.y = wall.y + wall.h + SHIP_RADIUS;
}

/** Whether a ship at this point would touch a wall. */
export function occupied(x: number, y: number): boolean {
  return WALLS.some(
    (wall) =>
      Math.hypot(x - clamp(x, wall.x, wall.x + wall.w), y - clamp(y, wall.y, wall.y + wall.h)) < SHIP_RADIUS,
  );
}

/** Whether a bullet at this point has hit a wall or the border. */
export function blocked(x: number, y: number): boolean {
  if (x < 0 || y < 0 || x > WORLD.width || y > WORLD.height) return true;
  return WALLS.some((wall) => x > wall.x && x < wall.x + wall.w && y > wall.y && y < wall.y + wall.h);
}

/** Whether nothing stands between two points, looked at in steps of 24 units. */
export function clearLine(ax: number, ay: number, bx: number, by: number): boolean {
  const steps = Math.ceil(Math.hypot(bx - ax, by - ay) / 24);
  for (let i = 1; i < steps; i++) {
    if (blocked(ax + ((bx - ax) * i) / steps, ay + ((by - ay) * i) / steps)) return false;
  }
  return true;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
