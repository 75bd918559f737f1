// JSON that is parsed without trouble can be nested too deeply for whatever walks through it later.

/** Levels of objects and arrays in JSON that others send. */
export const MAX_NESTING = 200;

/** Whether JSON has more levels than MAX_NESTING. */
export function tooDeep(json: unknown): boolean {
  let level: unknown[] = [json];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_NESTING) return true;
    level = level.flatMap((value) =>
      value !== null && typeof value === 'object' ? Object.values(value) : [],
    );
  }
  return false;
}
