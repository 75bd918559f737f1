// The classes of Node itself whose instances belong to their process: sockets, servers, streams, files, workers.

const MODULES = [
  'node:net', 'node:tls', 'node:http', 'node:https', 'node:http2', 'node:dgram', 'node:stream', 'node:fs', 'node:child_process',
  'node:worker_threads', 'node:zlib', 'node:crypto', 'node:readline', 'node:async_hooks', 'node:perf_hooks', 'node:diagnostics_channel',
  'node:string_decoder', 'node:dns', 'node:vm', 'node:tty', 'node:v8', 'node:util',
]; // biome-ignore format: a plain list
const GLOBALS = [
  'AbortController', 'AbortSignal', 'Blob', 'BroadcastChannel', 'CompressionStream', 'CountQueuingStrategy', 'CustomEvent', 'DecompressionStream',
  'Event', 'EventTarget', 'File', 'FormData', 'Headers', 'MessageChannel', 'MessagePort', 'Performance', 'ReadableStream', 'Request', 'Response',
  'TextDecoder', 'TextEncoder', 'TransformStream', 'WritableStream',
]; // biome-ignore format: a plain list

let classes: Map<Function, string> | undefined;

function collect(): Map<Function, string> {
  const found = new Map<Function, string>();
  const add = (name: string, value: unknown) => {
    if (
      typeof value === 'function' &&
      typeof value.prototype === 'object' &&
      value.prototype !== null &&
      !found.has(value)
    )
      found.set(value, value.name || name);
  };
  for (const id of MODULES) {
    const module = process.getBuiltinModule(id) as Record<string, unknown> | undefined;
    if (module === undefined) continue;
    // Deprecated exports warn when read: take only plain data properties, except node:stream's and node:fs's lazy ones.
    for (const [name, d] of Object.entries(Object.getOwnPropertyDescriptors(module))) {
      if (!/^[A-Z]/.test(name)) continue;
      if ('value' in d) add(name, d.value);
      else if (/^(?:Read|Write)Stream$/.test(name)) add(name, module[name]);
    }
    if (id === 'node:stream') add('Stream', module);
  }
  for (const name of GLOBALS) add(name, (globalThis as any)[name]);
  for (const name of ['EventEmitter', 'URL', 'URLSearchParams'])
    for (const [k, n] of found) if (n === name) found.delete(k);
  return found;
}

/** The name of a class that Node itself brings and whose instances cannot leave the process; undefined for others. */
export function nodeClassName(klass: Function): string | undefined {
  classes ??= collect();
  const name = classes.get(klass);
  if (name !== undefined) return name;
  // Not exported, known by name: what fs/promises and the handles inside of sockets return.
  return /^(?:FileHandle|TCP|Pipe|TTY|UDP|FSEvent|Process|ChannelWrap|StatWatcher)$/.test(klass.name) &&
    /kHandle|native code/.test(Function.prototype.toString.call(klass))
    ? klass.name
    : undefined;
}
