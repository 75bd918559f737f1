import { glow } from './palette.ts';
import { BALL, PADDLE, type Pong, TABLE } from './pong.ts';
import { Sparks } from './sparks.ts';

const MINE = '#5cc8ff';
const THEIRS = '#ff7a90';
const MARGIN = 20;
const FLASH_MS = 900;

/** Draws the table as large as its box allows. */
export class Table {
  /** CSS pixels per unit of the table, and where its corner is. */
  scale = 1;
  left = 0;
  top = 0;
  private readonly canvas: HTMLCanvasElement;
  private readonly sparks = new Sparks();
  private trail: { x: number; y: number }[] = [];
  private flashedAt = Number.NEGATIVE_INFINITY;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
  }

  /** The table's y for a y of the canvas in CSS pixels. */
  toTable(y: number): number {
    return (y - this.top) / this.scale;
  }

  /** Lights the border up: the pair has changed host. */
  flash(now: number): void {
    this.flashedAt = now;
  }

  draw(pong: Pong, now: number, dt: number): void {
    const context = this.fit();
    context.fillStyle = '#0d121a';
    context.strokeStyle = '#34445b';
    context.lineWidth = 3;
    context.beginPath();
    context.roundRect(0, 0, TABLE.width, TABLE.height, 14);
    context.fill();
    context.stroke();
    context.setLineDash([10, 14]);
    context.beginPath();
    context.moveTo(TABLE.width / 2, 8);
    context.lineTo(TABLE.width / 2, TABLE.height - 8);
    context.strokeStyle = '#263244';
    context.stroke();
    context.setLineDash([]);
    this.drawScore(context, pong);
    this.drawPaddle(context, PADDLE.x, pong.paddle, MINE);
    this.drawPaddle(context, TABLE.width - PADDLE.x, pong.theirPaddle, THEIRS);
    this.drawBall(context, pong);
    if (pong.hit) {
      this.sparks.burst(pong.hit.x, pong.hit.y, pong.hit.x < TABLE.width / 2 ? MINE : THEIRS, 16, 190, 0.35);
      pong.hit = undefined;
    }
    this.sparks.draw(context, dt);
    this.drawFlash(context, 1 - (now - this.flashedAt) / FLASH_MS);
  }

  private fit(): CanvasRenderingContext2D {
    const { canvas } = this;
    const { clientWidth, clientHeight } = canvas;
    const ratio = Math.min(devicePixelRatio, 2);
    const width = Math.round(clientWidth * ratio);
    const height = Math.round(clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    this.scale = Math.min(
      (clientWidth - 2 * MARGIN) / TABLE.width,
      (clientHeight - 2 * MARGIN) / TABLE.height,
    );
    this.left = (clientWidth - TABLE.width * this.scale) / 2;
    this.top = (clientHeight - TABLE.height * this.scale) / 2;
    const context = canvas.getContext('2d', { alpha: false })!;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = '#07090e';
    context.fillRect(0, 0, width, height);
    const k = this.scale * ratio;
    context.setTransform(k, 0, 0, k, this.left * ratio, this.top * ratio);
    return context;
  }

  private drawFlash(context: CanvasRenderingContext2D, share: number): void {
    if (share <= 0) return;
    context.globalAlpha = share * share;
    context.lineWidth = 3 + 9 * (1 - share);
    context.strokeStyle = MINE;
    context.beginPath();
    context.roundRect(0, 0, TABLE.width, TABLE.height, 14);
    context.stroke();
    context.globalAlpha = 1;
  }

  private drawScore(context: CanvasRenderingContext2D, { score, rally }: Pong): void {
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.font = '700 110px ui-sans-serif, system-ui, sans-serif';
    context.fillStyle = '#243246';
    context.fillText(String(score.mine), TABLE.width * 0.36, TABLE.height * 0.24);
    context.fillText(String(score.theirs), TABLE.width * 0.64, TABLE.height * 0.24);
    if (rally < 3) return;
    context.font = '600 17px ui-sans-serif, system-ui, sans-serif';
    context.fillStyle = '#0d121a';
    context.fillRect(TABLE.width / 2 - 62, TABLE.height - 44, 124, 28);
    context.fillStyle = '#8b98ab';
    context.fillText(`rally of ${rally}`, TABLE.width / 2, TABLE.height - 30);
  }

  private drawPaddle(context: CanvasRenderingContext2D, x: number, y: number, color: string): void {
    context.drawImage(glow(color), x - 70, y - 110, 140, 220);
    context.fillStyle = color;
    context.beginPath();
    context.roundRect(x - PADDLE.width / 2, y - PADDLE.height / 2, PADDLE.width, PADDLE.height, 7);
    context.fill();
  }

  private drawBall(context: CanvasRenderingContext2D, { ball }: Pong): void {
    if (!ball) {
      this.trail = [];
      return;
    }
    this.trail.push({ x: ball.x, y: ball.y });
    if (this.trail.length > 14) this.trail.shift();
    for (const [index, { x, y }] of this.trail.entries()) {
      const share = index / this.trail.length;
      context.globalAlpha = share * 0.28;
      context.fillStyle = '#e8eef7';
      context.beginPath();
      context.arc(x, y, BALL * (0.4 + 0.6 * share), 0, Math.PI * 2);
      context.fill();
    }
    context.globalAlpha = 1;
    context.drawImage(glow('#ffffff'), ball.x - 34, ball.y - 34, 68, 68);
    context.fillStyle = '#ffffff';
    context.beginPath();
    context.arc(ball.x, ball.y, BALL, 0, Math.PI * 2);
    context.fill();
  }
}
