// Runs one function file: `node process.ts FILE`. Tells its parent the port, or why there is nothing to call.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';

type Fetch = (request: Request, env: NodeJS.ProcessEnv, context: object) => Promise<Response>;

const file = process.argv[2]!;
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole terminal; the parent ends this process when it has cleaned up.
process.on('SIGINT', () => {});

const module = (await import(pathToFileURL(file).href)) as { default?: { fetch?: Fetch } };
const served = module.default;
if (typeof served?.fetch !== 'function')
  process.send!({
    problem: 'it has no default export with fetch(); write `export default defineFunctions({ … })`',
  });
else {
  const server = createServer((req, res) => {
    answer(served.fetch!.bind(served), req, res).catch((error: unknown) => {
      console.error(error);
      res.writeHead(500).end();
    });
  });
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
}

async function answer(fetch: Fetch, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
  const headers = Object.entries(req.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
  const request = new Request(`http://${req.headers.host}${req.url}`, { method: req.method, headers, body });
  const response = await fetch(request, process.env, { waitUntil: () => {} });
  res.writeHead(response.status, Object.fromEntries(response.headers));
  res.end(Buffer.from(await response.arrayBuffer()));
}
