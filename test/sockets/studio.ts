// A studio's web server in the test's own process: it keeps what it was told, and answers as a test says.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from '../support/service.ts';

export interface Told {
  /** The endpoint: its path without the slash. */
  at: string;
  type: string;
  socketId: string;
  player: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}
export type Answer = (response: ServerResponse, told: Told) => unknown;

export const nothing: Answer = (response) => response.writeHead(204).end();
export const json =
  (value: unknown): Answer =>
  (response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
export const raw =
  (type: string, body: string | Uint8Array): Answer =>
  (response) =>
    response.writeHead(200, { 'content-type': type }).end(body);
export const status =
  (code: number): Answer =>
  (response) =>
    response.writeHead(code).end();

export class Studio {
  readonly told: Told[] = [];
  readonly url: string;
  private readonly server: Server;
  /** By player and endpoint. */
  private readonly answers = new Map<string, Answer>();

  private constructor(server: Server) {
    this.server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const { headers, url } = request;
      const told: Told = {
        at: url!.slice(1),
        type: (headers['ce-type'] as string).replace('baton.socket.', ''),
        socketId: headers['ce-subject'] as string,
        player: headers['ce-playerid'] as string,
        headers,
        body: Buffer.concat(chunks),
      };
      this.told.push(told);
      (this.answers.get(`${told.player} ${told.at}`) ?? nothing)(response, told);
    });
  }

  static async open(): Promise<Studio> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Studio(server);
  }

  /** What an endpoint answers to calls about a player from now on. */
  answer(player: string, at: string, answer: Answer): void {
    this.answers.set(`${player} ${at}`, answer);
  }

  /** Bodies of the calls about a player, once there are so many. */
  async bodies(player: string, count: number, at = 'receive'): Promise<string[]> {
    return (await this.calls(player, count, at)).map(({ body }) => body.toString('latin1'));
  }

  async calls(player: string, count: number, at = 'receive'): Promise<Told[]> {
    const found = () => this.told.filter((told) => told.player === player && told.at === at);
    await until(() => found().length >= count, `${count} calls at ${at} about ${player}`, 40_000);
    return found();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
