import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Space } from './backend.ts';

/** Passes bytes on until it falls silent: connections of before stay open and dead, new ones work. */
export class SilentProxy {
  readonly options: Space['options'];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: Space['options'], server: Server) {
    this.options = options;
    this.#server = server;
  }

  static async before(options: Space['options']): Promise<SilentProxy> {
    const server = createServer();
    const target = options.kind === 'redis' ? new URL(options.url) : undefined;
    const path = options.kind === 'embedded' ? options.path : '';
    if (target) server.listen(0, '127.0.0.1');
    else server.listen(`${path}.proxy`);
    await once(server, 'listening');
    const dial = () => (target ? connect(Number(target.port), target.hostname) : connect(path));
    const address = server.address();
    const proxied =
      options.kind === 'redis'
        ? { ...options, url: `redis://127.0.0.1:${(address as { port: number }).port}` }
        : { ...options, path: `${path}.proxy` };
    const proxy = new SilentProxy(proxied, server);
    server.on('connection', (near) => {
      const far = dial();
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) proxy.#sockets.add(socket.on('error', () => {}));
    });
    return proxy;
  }

  silence(): void {
    for (const socket of this.#sockets) socket.unpipe().removeAllListeners('end').resume();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
