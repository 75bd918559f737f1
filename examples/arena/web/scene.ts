import { BULLET_LIFE_MS, PickupKind, SHIP_RADIUS, WALLS, WORLD } from '../room/world.ts';
import type { Camera } from './camera.ts';
import { STICK_RADIUS, type Stick } from './controls.ts';
import { glow } from './palette.ts';

export interface ShipLook {
  name: string;
  color: string;
  hp: number;
  shield: boolean;
  rapid: boolean;
  online: boolean;
  mine: boolean;
  leader: boolean;
}

const GRID = 50;

/** Floor, border and walls, drawn once per size of the canvas. */
export class Floor {
  private canvas = document.createElement('canvas');
  private drawnAt = 0;

  draw(context: CanvasRenderingContext2D, camera: Camera): void {
    const k = camera.scale * camera.ratio;
    if (this.drawnAt !== k) this.paint(k);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = '#07090e';
    context.fillRect(0, 0, camera.width * camera.ratio, camera.height * camera.ratio);
    context.drawImage(this.canvas, Math.round(-camera.left * k), Math.round(-camera.top * k));
  }

  private paint(k: number): void {
    this.drawnAt = k;
    this.canvas.width = Math.ceil(WORLD.width * k);
    this.canvas.height = Math.ceil(WORLD.height * k);
    const context = this.canvas.getContext('2d')!;
    context.scale(k, k);
    context.fillStyle = '#0d121a';
    context.fillRect(0, 0, WORLD.width, WORLD.height);
    context.fillStyle = '#141b26';
    for (let x = GRID; x < WORLD.width; x += GRID) context.fillRect(x - 0.5, 0, 1, WORLD.height);
    for (let y = GRID; y < WORLD.height; y += GRID) context.fillRect(0, y - 0.5, WORLD.width, 1);
    for (const { x, y, w, h } of WALLS) {
      context.beginPath();
      context.roundRect(x, y, w, h, 6);
      context.fillStyle = '#222d3d';
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = '#34445b';
      context.stroke();
    }
    context.lineWidth = 3;
    context.strokeStyle = '#34445b';
    context.strokeRect(1.5, 1.5, WORLD.width - 3, WORLD.height - 3);
  }
}

export function drawShip(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  angle: number,
  look: ShipLook,
): void {
  context.save();
  context.translate(x, y);
  if (!look.online) context.globalAlpha = 0.35;
  const light = look.mine ? 62 : 46;
  context.drawImage(glow(look.color), -light, -light, light * 2, light * 2);
  if (look.shield) ring(context, SHIP_RADIUS + 7, '#9fd8ff', 2.5, 0.9);
  if (look.mine) ring(context, SHIP_RADIUS + 12, '#ffffff', 1.5, 0.4);
  context.rotate(angle);
  context.beginPath();
  context.moveTo(SHIP_RADIUS + 4, 0);
  context.lineTo(-SHIP_RADIUS * 0.75, SHIP_RADIUS * 0.8);
  context.quadraticCurveTo(-SHIP_RADIUS * 0.3, 0, -SHIP_RADIUS * 0.75, -SHIP_RADIUS * 0.8);
  context.closePath();
  context.lineJoin = 'round';
  context.lineWidth = 3;
  context.strokeStyle = look.color;
  context.fillStyle = look.mine ? look.color : '#121822';
  context.fill();
  context.stroke();
  if (look.rapid) {
    context.fillStyle = look.mine ? '#121822' : look.color;
    context.fillRect(-6, -1.5, 16, 3);
  }
  context.restore();
}

/** Name and health; upright and readable at every scale. */
export function drawLabel(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  scale: number,
  look: ShipLook,
): void {
  const size = Math.max(12, 11.5 / scale);
  context.font = `${look.mine ? 700 : 500} ${size}px ui-sans-serif, system-ui, sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'alphabetic';
  context.globalAlpha = look.online ? 1 : 0.45;
  const top = y - SHIP_RADIUS - 17;
  context.fillStyle = look.mine ? '#ffffff' : '#a9b6c8';
  context.fillText(look.leader ? `♛ ${look.name}` : look.name, x, top - 3);
  const wide = 40;
  context.fillStyle = '#05070b';
  context.fillRect(x - wide / 2 - 1, top + 1, wide + 2, 6);
  context.fillStyle = look.hp > 50 ? '#7be495' : look.hp > 25 ? '#ffd166' : '#ff7a90';
  context.fillRect(x - wide / 2, top + 2, (wide * look.hp) / 100, 4);
  context.globalAlpha = 1;
}

export function drawBullet(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  vx: number,
  vy: number,
  age: number,
  color: string,
): void {
  const tail = Math.min(0.028, age / 1000);
  context.globalAlpha = Math.min(1, (BULLET_LIFE_MS - age) / 160);
  context.lineCap = 'round';
  context.beginPath();
  context.moveTo(x - vx * tail, y - vy * tail);
  context.lineTo(x, y);
  context.lineWidth = 5;
  context.strokeStyle = color;
  context.stroke();
  context.lineWidth = 2;
  context.strokeStyle = '#ffffff';
  context.stroke();
  context.globalAlpha = 1;
}

const PICKUPS: Record<number, [color: string, sign: string]> = {
  [PickupKind.heal]: ['#7be495', '+'],
  [PickupKind.rapid]: ['#ffd166', '»'],
  [PickupKind.shield]: ['#9fd8ff', '○'],
};

export function drawPickup(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  kind: number,
  now: number,
): void {
  const [color, sign] = PICKUPS[kind] ?? ['#ffffff', '?'];
  const sway = Math.sin(now / 420 + x) * 2.5;
  context.drawImage(glow(color), x - 36, y - 36, 72, 72);
  context.beginPath();
  context.arc(x, y + sway, 13, 0, Math.PI * 2);
  context.fillStyle = '#0f151e';
  context.fill();
  context.lineWidth = 2.5;
  context.strokeStyle = color;
  context.stroke();
  context.fillStyle = color;
  context.font = '700 17px ui-sans-serif, system-ui, sans-serif';
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(sign, x, y + sway + 0.5);
}

/** @param share how much of the flash is left, 1 at its beginning */
export function drawMoveFlash(context: CanvasRenderingContext2D, share: number): void {
  context.globalAlpha = share * share;
  context.lineWidth = 4 + 10 * (1 - share);
  context.strokeStyle = '#5cc8ff';
  context.strokeRect(2, 2, WORLD.width - 4, WORLD.height - 4);
  context.globalAlpha = 1;
}

/** Drawn in CSS pixels. */
export function drawStick(context: CanvasRenderingContext2D, stick: Stick): void {
  context.lineWidth = 2;
  context.strokeStyle = 'rgb(255 255 255 / 25%)';
  context.beginPath();
  context.arc(stick.baseX, stick.baseY, STICK_RADIUS, 0, Math.PI * 2);
  context.stroke();
  context.fillStyle = 'rgb(255 255 255 / 30%)';
  context.beginPath();
  context.arc(stick.x, stick.y, 24, 0, Math.PI * 2);
  context.fill();
}

function ring(
  context: CanvasRenderingContext2D,
  radius: number,
  color: string,
  width: number,
  alpha: number,
): void {
  context.globalAlpha *= alpha;
  context.beginPath();
  context.arc(0, 0, radius, 0, Math.PI * 2);
  context.lineWidth = width;
  context.strokeStyle = color;
  context.stroke();
  context.globalAlpha /= alpha;
}
