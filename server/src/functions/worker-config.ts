// What workerd is started with: its configuration as Cap'n Proto text, with the code of the function in it.

/** What the runtime may take for granted; the newest that the installed version knows. */
const COMPATIBILITY_DATE = '2026-11-01';
/** Of V8's heap, in MiB: past it the process ends. */
export const HEAP_MIB = 128;
const SEMI_SPACE_MIB = 2;

/** Name of the function's module in stack traces. */
export const FUNCTION_MODULE = 'function.mjs';

/** Runs the function: what it throws goes to its log and becomes a 500. */
const ENTRY = `import code from '${FUNCTION_MODULE}';
if (typeof code?.fetch !== 'function') throw new TypeError('the default export has no fetch()');
export default {
  async fetch(request, env, context) {
    try {
      return await code.fetch(request, env, context);
    } catch (error) {
      console.error(error instanceof Error ? error.stack : error);
      return new Response('The function failed.', { status: 500 });
    }
  },
};
`;

/** Everything that the function sends goes through here. Having no connect(), it refuses raw TCP. */
const outbound = (origins: readonly string[]) => `const allowed = new Set(${JSON.stringify(origins)});
export default {
  async fetch(request) {
    const { origin, hostname } = new URL(request.url);
    if (hostname === '${PULSE_HOST}') return new Response(null, { status: 204 });
    if (!allowed.has(origin)) throw new Error('this function may not connect to ' + origin + ': it was deployed without --allow-net ' + origin);
    return fetch(request, { redirect: 'manual' });
  },
};
`;

/** Answered without any code of the function, by the thread that runs it. */
export const PULSE_HOST = 'pulse.invalid';

export interface WorkerOptions {
  code: string;
  /** Name → value. */
  env: Record<string, string>;
  /** Origins it may connect to. */
  allowNet: readonly string[];
  /** CIDR ranges that may be connected to although they are not public. */
  ranges: readonly string[];
  /** Unix sockets. */
  socket: string;
  pulse: string;
}

export function workerConfig({ code, env, allowNet, ranges, socket, pulse }: WorkerOptions): string {
  const bindings = Object.entries(env).map(
    ([name, value]) => `(name = ${text(name)}, text = ${text(value)})`,
  );
  const network = allowNet.length === 0 ? [] : ['public', ...ranges];
  const date = text(COMPATIBILITY_DATE);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "function", worker = (
      modules = [
        (name = "main.mjs", esModule = ${text(ENTRY)}),
        (name = ${text(FUNCTION_MODULE)}, esModule = ${text(code)}),
      ],
      compatibilityDate = ${date},
      bindings = [${bindings.join(', ')}],
      globalOutbound = "outbound",
    )),
    (name = "outbound", worker = (
      modules = [(name = "main.mjs", esModule = ${text(outbound(allowNet))})],
      compatibilityDate = ${date},
      globalOutbound = "network",
    )),
    (name = "network", network = (
      allow = [${network.map(text).join(', ')}],
      tlsOptions = (trustBrowserCas = true),
    )),
  ],
  sockets = [
    (name = "function", address = ${text(`unix:${socket}`)}, http = (), service = "function"),
    (name = "pulse", address = ${text(`unix:${pulse}`)}, http = (), service = "outbound"),
  ],
  v8Flags = ["--max-old-space-size=${HEAP_MIB}", "--max-semi-space-size=${SEMI_SPACE_MIB}"],
  logging = (structuredLogging = true),
);
`;
}

/** A literal of Cap'n Proto's text form, which escapes as C does. */
function text(value: string): string {
  const escaped = value.replace(/[\\"\x00-\x1f\x7f]/g, (char) =>
    char === '\\' || char === '"' ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${escaped}"`;
}
