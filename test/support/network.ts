// The network of one player, a TCP proxy: to cut it without anybody saying goodbye.
import net, { type AddressInfo } from 'node:net';

export class Network {
  readonly url: string;
  private readonly server: net.Server;
  private readonly sockets = new Set<net.Socket>();
  private away = false;

  private constructor(server: net.Server, port: number) {
    this.server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(targetPort: number): Promise<Network> {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const network = new Network(server, (server.address() as AddressInfo).port);
    server.on('connection', (client) => {
      if (network.away) {
        client.resetAndDestroy();
        return;
      }
      const upstream = net.connect(targetPort, '127.0.0.1');
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        network.sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => {
          network.sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    return network;
  }

  /** Ends every connection with a reset on both sides. */
  cut(): void {
    for (const socket of [...this.sockets]) socket.resetAndDestroy();
  }

  /** The same, and new ones at once, until they are let through again. */
  close(away = true): void {
    this.away = away;
    if (away) this.cut();
  }

  /** From now on nothing passes on the connections of before, and nobody is told; new ones work. */
  silence(): void {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  stop(): void {
    this.cut();
    this.server.close();
  }
}
