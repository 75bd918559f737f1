import { clamp, WORLD } from '../room/world.ts';

/** Smallest size of a world unit in CSS pixels; below it the view follows the player instead of showing everything. */
const SMALLEST = 0.52;
const MARGIN = 14;

/** What part of the world is on the canvas, and where. */
export class Camera {
  scale = 1;
  /** World coordinates of the canvas' top left corner. */
  left = 0;
  top = 0;
  width = 0;
  height = 0;
  ratio = 1;

  /** Fits the canvas to its box; true when its size has changed. */
  resize(canvas: HTMLCanvasElement): boolean {
    const { clientWidth, clientHeight } = canvas;
    const ratio = Math.min(devicePixelRatio, 2);
    if (clientWidth === this.width && clientHeight === this.height && ratio === this.ratio) return false;
    this.width = clientWidth;
    this.height = clientHeight;
    this.ratio = ratio;
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    const fit = Math.min(
      (clientWidth - 2 * MARGIN) / WORLD.width,
      (clientHeight - 2 * MARGIN) / WORLD.height,
    );
    this.scale = Math.max(fit, SMALLEST);
    return true;
  }

  follow(x: number, y: number): void {
    this.left = along(x, this.width / this.scale, WORLD.width);
    this.top = along(y, this.height / this.scale, WORLD.height);
  }

  toScreen(x: number, y: number): [number, number] {
    return [(x - this.left) * this.scale, (y - this.top) * this.scale];
  }

  /** Lets the context draw in world units. */
  apply(context: CanvasRenderingContext2D): void {
    const k = this.scale * this.ratio;
    context.setTransform(k, 0, 0, k, -this.left * k, -this.top * k);
  }
}

function along(at: number, seen: number, whole: number): number {
  if (seen >= whole) return (whole - seen) / 2;
  const edge = 60;
  return clamp(at - seen / 2, -edge, whole - seen + edge);
}
