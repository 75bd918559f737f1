import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Reply, Runner } from './runner.ts';

/** Bytes of a call; as many as `defineFunctions()` takes. */
const MAX_CALL_BYTES = 2 * 1024 * 1024;
/** Characters of an answer that are shown. */
const SHOWN = 160;

/** Where the service calls the functions, whatever becomes of their processes: `http://127.0.0.1:PORT/NAME`. */
export class Front {
  readonly #server: Server;
  readonly #runners = new Map<string, Runner>();
  readonly #say: (name: string, text: string) => void;

  constructor(say: (name: string, text: string) => void) {
    this.#say = say;
    this.#server = createServer((req, res) => {
      this.#answer(req, res).catch(() => res.destroy());
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
  }

  add(runner: Runner): void {
    this.#runners.set(runner.name, runner);
  }

  url(name: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const name = req.url!.slice(1);
    const runner = this.#runners.get(name);
    const body = await read(req);
    if (!runner || !body) {
      res.writeHead(runner ? 413 : 404).end();
      return;
    }
    const from = performance.now();
    const headers = Object.fromEntries(
      Object.entries(req.headers).map(([key, value]) => [key, String(value)]),
    );
    const { connection, host, 'content-length': _length, 'transfer-encoding': _chunked, ...passed } = headers;
    let reply: Reply;
    try {
      reply = await runner.call({ method: req.method!, headers: passed, body });
    } catch (error) {
      const detail = (error as Error).message;
      const problem = JSON.stringify({ status: 503, detail });
      reply = {
        status: 503,
        headers: { 'content-type': 'application/problem+json' },
        body: Buffer.from(problem),
      };
    }
    this.#say(name, line(headers, reply, performance.now() - from));
    res.writeHead(reply.status, reply.headers).end(reply.body);
  }
}

/** `open   ann on wL0f9xQ2v: 200 {"peer":"…"} (3 ms)` */
function line(headers: Record<string, string>, { status, body }: Reply, ms: number): string {
  const kind = (headers['ce-type'] ?? 'asked').replace('baton.socket.', '');
  const who = headers['ce-playerid']
    ? ` ${decodeURIComponent(headers['ce-playerid'])} on ${headers['ce-subject']}`
    : '';
  const said = body.toString().replaceAll(/\s+/g, ' ');
  const short = said.length > SHOWN ? `${said.slice(0, SHOWN)}…` : said;
  return `${kind}${who}: ${status}${short && ` ${short}`} (${ms.toFixed(ms < 10 ? 1 : 0)} ms)`;
}

async function read(req: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_CALL_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
