// Paths as a developer would write them.
import type { PickledKey, Step } from './types.ts';

const IDENTIFIER = /^[A-Za-z_$#][\w$]*$/;

function keyText(key: PickledKey | symbol): string {
  if (typeof key === 'string') return IDENTIFIER.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  if (typeof key === 'symbol') return `[${String(key)}]`;
  return `[Symbol(${String(key.name)})]`;
}

/** `room` + steps → `room.foo.bar[2]`. */
export function formatPath(root: string, steps: readonly Step[]): string {
  let text = root;
  for (const [kind, key] of steps) {
    if (kind === 'prop') text += keyText(key);
    else if (kind === 'index') text += `[${key}]`;
    else if (kind === 'value')
      text +=
        typeof key === 'string'
          ? `.get(${JSON.stringify(key)})`
          : `.get(${typeof key === 'object' && key ? 'object' : String(key)})`;
    else if (kind === 'key') text += `.keys()[${key}]`;
    else if (kind === 'item') text += `.values()[${key}]`;
    else text += `.${key}`;
  }
  return text;
}
