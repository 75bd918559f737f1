/** What the player wants: a direction (-1…1 per axis), where the ship points (radians), whether it shoots. */
export interface Wish {
  x: number;
  y: number;
  angle: number;
  fire: boolean;
}

export interface Stick {
  baseX: number;
  baseY: number;
  x: number;
  y: number;
}

interface Touched extends Stick {
  pointer: number;
}

const KEYS: Record<string, [x: number, y: number]> = {
  KeyW: [0, -1],
  KeyS: [0, 1],
  KeyA: [-1, 0],
  KeyD: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
};

/** Radius of a touch stick in CSS pixels. */
export const STICK_RADIUS = 56;

/** Keyboard, mouse and two touch sticks (left flies, right aims and shoots). */
export class Controls {
  readonly wish: Wish = { x: 0, y: 0, angle: 0, fire: false };
  /** Left and right stick while fingers hold them. */
  readonly sticks: [Touched | undefined, Touched | undefined] = [undefined, undefined];
  /** Whether the player has done anything yet. */
  used = false;
  private readonly canvas: HTMLCanvasElement;
  private readonly down = new Set<string>();
  private mouse: { x: number; y: number; held: boolean } | undefined;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
    addEventListener('keydown', (event) => this.key(event, true));
    addEventListener('keyup', (event) => this.key(event, false));
    addEventListener('blur', () => this.release());
    canvas.addEventListener('pointerdown', (event) => this.press(event));
    canvas.addEventListener('pointermove', (event) => this.point(event));
    for (const type of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(type, (event) => this.lift(event));
    }
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
  }

  /** @param shipX where the player's ship is on the canvas, in CSS pixels */
  read(shipX: number, shipY: number): Wish {
    const { wish } = this;
    const [left, right] = this.sticks;
    let x = 0;
    let y = 0;
    for (const code of this.down) {
      x += KEYS[code]?.[0] ?? 0;
      y += KEYS[code]?.[1] ?? 0;
    }
    if (left) {
      x = (left.x - left.baseX) / STICK_RADIUS;
      y = (left.y - left.baseY) / STICK_RADIUS;
    }
    const long = Math.hypot(x, y);
    wish.x = long > 1 ? x / long : x;
    wish.y = long > 1 ? y / long : y;
    if (right) wish.angle = Math.atan2(right.y - right.baseY, right.x - right.baseX);
    else if (this.mouse) wish.angle = Math.atan2(this.mouse.y - shipY, this.mouse.x - shipX);
    else if (long > 0.2) wish.angle = Math.atan2(y, x);
    const aiming = right && Math.hypot(right.x - right.baseX, right.y - right.baseY) > STICK_RADIUS * 0.35;
    wish.fire = this.down.has('Space') || this.mouse?.held === true || aiming === true;
    return wish;
  }

  private key(event: KeyboardEvent, pressed: boolean): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const game = event.code in KEYS || event.code === 'Space';
    if (!game || event.target instanceof HTMLButtonElement) return;
    event.preventDefault();
    if (pressed) this.down.add(event.code);
    else this.down.delete(event.code);
    // Arrows alone steer and aim; the mouse aims again as soon as it moves.
    if (pressed && event.code.startsWith('Arrow') && !this.mouse?.held) this.mouse = undefined;
    this.used = true;
  }

  private press(event: PointerEvent): void {
    this.used = true;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    if (event.pointerType === 'mouse') {
      this.mouse = { x: event.offsetX, y: event.offsetY, held: event.button === 0 };
      return;
    }
    const side = event.offsetX < this.canvas.clientWidth / 2 ? 0 : 1;
    const { pointerId: pointer, offsetX: x, offsetY: y } = event;
    this.sticks[side] ??= { pointer, baseX: x, baseY: y, x, y };
  }

  private point(event: PointerEvent): void {
    if (event.pointerType === 'mouse') {
      this.mouse = { x: event.offsetX, y: event.offsetY, held: this.mouse?.held ?? false };
      return;
    }
    const stick = this.sticks.find((held) => held?.pointer === event.pointerId);
    if (!stick) return;
    const dx = event.offsetX - stick.baseX;
    const dy = event.offsetY - stick.baseY;
    const scale = Math.min(1, STICK_RADIUS / (Math.hypot(dx, dy) || 1));
    stick.x = stick.baseX + dx * scale;
    stick.y = stick.baseY + dy * scale;
  }

  private lift(event: PointerEvent): void {
    if (event.pointerType === 'mouse' && this.mouse) this.mouse.held = false;
    for (const side of [0, 1] as const) {
      if (this.sticks[side]?.pointer === event.pointerId) this.sticks[side] = undefined;
    }
  }

  private release(): void {
    this.down.clear();
    this.sticks.fill(undefined);
    if (this.mouse) this.mouse.held = false;
  }
}
