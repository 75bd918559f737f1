// HTTP of a host that leaves: what was asked is answered, and clients take their kept-alive connections elsewhere.

import type { Server, ServerResponse } from 'node:http';
import net from 'node:net';

const LOOK_MS = 20;

export class OpenRequests {
  private readonly server: Server;
  private readonly responses = new Set<ServerResponse>();
  private leaving = false;

  constructor(server: Server) {
    this.server = server;
    const emit = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean;
    server.emit = ((event: string, ...args: unknown[]) => {
      if (event === 'request') this.remember(args[1] as ServerResponse);
      return emit(event, ...args);
    }) as typeof server.emit;
  }

  private remember(response: ServerResponse): void {
    if (this.leaving) response.shouldKeepAlive = false;
    this.responses.add(response);
    response.once('close', () => this.responses.delete(response));
  }

  /**
   * Takes no more connections; each response from now on is its connection's last (RFC 9112 §9.6). Clients that
   * ask often learn that way to go elsewhere; the other connections are ended after `graceMs`, when no request
   * of theirs is likely to be on its way. Then waits for what is not answered yet.
   * @param patienceMs how long in all
   */
  async leave(graceMs: number, patienceMs: number): Promise<void> {
    this.leaving = true;
    for (const response of this.responses) if (!response.headersSent) response.shouldKeepAlive = false;
    // http.Server's close would end idle connections at once
    if (this.server.listening) net.Server.prototype.close.call(this.server);
    const started = Date.now();
    const go = (): boolean => Date.now() - started >= graceMs && this.responses.size === 0;
    while (!go() && Date.now() - started < patienceMs)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    this.server.closeIdleConnections();
  }
}
