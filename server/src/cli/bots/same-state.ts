/**
 * Compares the state a client decoded with the server's, both as `toJSON()` gives them.
 * @returns the path of the first difference and both values, or `undefined`
 */
export function stateDifference(client: unknown, server: unknown, path = 'state'): string | undefined {
  if (same(client, server)) return undefined;
  if (!isObject(client) || !isObject(server) || Array.isArray(client) !== Array.isArray(server)) {
    return `${path}: ${short(client)} at the client, ${short(server)} at the server`;
  }
  for (const key of new Set([...Object.keys(client), ...Object.keys(server)])) {
    const difference = stateDifference(client[key], server[key], `${path}.${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** A float32 field is rounded on its way, and a field never set is absent on one side and `undefined` on the other. */
function same(client: unknown, server: unknown): boolean {
  if (client === server || (client == null && server == null)) return true;
  return (
    typeof client === 'number' && typeof server === 'number' && Math.fround(client) === Math.fround(server)
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
