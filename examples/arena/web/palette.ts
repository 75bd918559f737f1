/** Ship colours by the player's `color`. */
export const COLORS = [
  '#5cc8ff',
  '#ff7a90',
  '#ffd166',
  '#7be495',
  '#c792ff',
  '#ff9f5a',
  '#4de1d2',
  '#f48fff',
  '#a5d65a',
  '#8aa4ff',
  '#ffb3a7',
  '#d9e2ee',
];

export function colorOf(index: number): string {
  return COLORS[index % COLORS.length]!;
}

const glows = new Map<string, HTMLCanvasElement>();

/** A soft round light, drawn once per colour; far cheaper than a shadow on every frame. */
export function glow(color: string): HTMLCanvasElement {
  const known = glows.get(color);
  if (known) return known;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 128;
  const context = canvas.getContext('2d')!;
  const light = context.createRadialGradient(64, 64, 0, 64, 64, 64);
  light.addColorStop(0, `${color}66`);
  light.addColorStop(0.4, `${color}22`);
  light.addColorStop(1, `${color}00`);
  context.fillStyle = light;
  context.fillRect(0, 0, 128, 128);
  glows.set(color, canvas);
  return canvas;
}
