const own = new Set(['level', 'time', 'name', 'msg', 'err']);

/** One JSON line of the log as one line for people: `12:03:04.123 info  supervisor: host is up host=h1`. */
export function formatPretty(line: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const time = typeof record['time'] === 'string' ? record['time'].slice(11, 23) : '';
  const level = String(record['level'] ?? 'info').padEnd(5);
  const name = record['name'] === undefined ? '' : `${String(record['name'])}: `;
  const fields = Object.entries(record)
    .filter(([key]) => !own.has(key))
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? quote(value) : JSON.stringify(value)}`);
  return `${time} ${level} ${name}${String(record['msg'] ?? '')}${fields.join('')}${describe(record['err'])}\n`;
}

function quote(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

/** Stacks are for bugs: a known error (one with a code) is shown by its text. */
function describe(err: unknown): string {
  if (typeof err !== 'object' || err === null) return '';
  const { message, stack, code } = err as { message?: string; stack?: string; code?: string };
  if (code?.startsWith('BATON_') || !stack) return ` (${message ?? 'unknown error'})`;
  return `\n${stack}`;
}
