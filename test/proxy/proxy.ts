// What the tests of both proxies share: the sample of deploy/ made to fit a test, a certificate, a wire tap.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { RawClient, type Seat } from '../support/raw-client.ts';
import { nodeArgs } from '../support/service.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const deploy = path.join(here, '..', '..', 'deploy');
/** The sample's idea of where Baton listens. */
const SAMPLE_UPSTREAM = '127.0.0.1:2567';

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** What is written in the sample, and what a test puts there. @throws when the sample does not have it */
export function fitSample(name: string, changes: [from: string | RegExp, to: string][]): string {
  let text = fs.readFileSync(path.join(deploy, name), 'utf8');
  for (const [from, to] of changes) {
    const fitted = text.replaceAll(typeof from === 'string' ? from : new RegExp(from, 'gm'), to);
    if (fitted === text) throw new Error(`deploy/${name} has no ${from}`);
    text = fitted;
  }
  return text;
}

/** A self-signed certificate for 127.0.0.1 in a folder of its own. */
export class Certificate {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-proxy-'));
  readonly cert = path.join(this.folder, 'cert.pem');
  readonly key = path.join(this.folder, 'key.pem');
  readonly both = path.join(this.folder, 'both.pem');

  constructor() {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
    const files = ['-keyout', this.key, '-out', this.cert, '-days', '2', '-nodes'];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    execFileSync('openssl', ['req', ...kind, ...files, ...subject], { stdio: 'pipe' });
    fs.writeFileSync(this.both, fs.readFileSync(this.cert, 'utf8') + fs.readFileSync(this.key, 'utf8'));
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface ProxyKind {
  /** The sample in deploy/. */
  sample: string;
  changes(port: number, upstreamPort: number, certificate: Certificate): [string | RegExp, string][];
  command(configFile: string, folder: string): [program: string, ...args: string[]];
}

export class FrontProxy {
  readonly port: number;
  readonly url: string;
  private readonly child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.url = `https://127.0.0.1:${port}`;
    this.child = child;
  }

  /** Resolves when it takes TLS connections. */
  static async start(kind: ProxyKind, upstreamPort: number, certificate: Certificate): Promise<FrontProxy> {
    const port = await freePort();
    const folder = fs.mkdtempSync(path.join(certificate.folder, 'run-'));
    const file = path.join(folder, kind.sample);
    const changes = kind.changes(port, upstreamPort, certificate);
    fs.writeFileSync(
      file,
      fitSample(kind.sample, [[SAMPLE_UPSTREAM, `127.0.0.1:${upstreamPort}`], ...changes]),
    );
    const [program, ...args] = kind.command(file, folder);
    const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;
    const env = { ...process.env, PATH };
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => (output += text));
    const end = Date.now() + 20_000;
    while (!(await acceptsTls(port))) {
      if (child.exitCode !== null) throw new Error(`${program} ended:\n${output}`);
      if (Date.now() > end) throw new Error(`${program} does not answer:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return new FrontProxy(port, child);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(timer);
  }
}

function acceptsTls(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A TCP relay that remembers what HTTP requests each of its connections began with. */
export class Tap {
  readonly port: number;
  /** For each connection, its request lines in order; a request to upgrade is `UPGRADE …`. */
  readonly requests: string[][] = [];
  private readonly server: net.Server;
  private readonly sockets = new Set<net.Socket>();

  private constructor(server: net.Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** @param localAddress from which the other end is to think that connections come */
  static async start(targetPort: number, localAddress = '127.0.0.1'): Promise<Tap> {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const tap = new Tap(server);
    server.on('connection', (socket) => {
      const target = net.connect({ port: targetPort, host: '127.0.0.1', localAddress });
      tap.remember(socket);
      for (const [from, to] of [
        [socket, target],
        [target, socket],
      ] as const) {
        tap.sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => {
          tap.sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    return tap;
  }

  private remember(socket: net.Socket): void {
    const lines: string[] = [];
    this.requests.push(lines);
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      const line = /^(GET|POST|OPTIONS) (\S+) HTTP\/1\.[01]\r\n/.exec(text);
      if (!line) return;
      lines.push(/\r\nupgrade: *websocket\r\n/i.test(text) ? `UPGRADE ${line[2]}` : `${line[1]} ${line[2]}`);
    });
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

/** The status of the answer to a path that goes out as it is. */
export async function statusOf(
  url: string,
  path: string,
  headers: http.OutgoingHttpHeaders,
  certificate: Certificate,
): Promise<number> {
  const request = https.get(url, { path, headers, ca: fs.readFileSync(certificate.cert), agent: false });
  const [response] = await once(request, 'response');
  response.resume();
  return response.statusCode;
}

/** Reserves a seat and takes it over one TLS connection. */
export async function joinOnOneConnection(
  url: string,
  room: string,
  certificate: Certificate,
): Promise<RawClient> {
  const ca = fs.readFileSync(certificate.cert);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca });
  const request = https.request(`${url}/matchmake/create/${room}`, {
    agent,
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': 2 },
  });
  request.end('{}');
  const [response] = await once(request, 'response');
  const seat = JSON.parse((await response.setEncoding('utf8').toArray()).join('')) as Seat;
  return RawClient.sit(url, seat, { agent });
}

/** test/proxy/player-process.ts, behind a proxy whose certificate it trusts. */
export class PlayerProcess {
  readonly roomId: string;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, roomId: string) {
    this.child = child;
    this.roomId = roomId;
  }

  static async start(url: string, certificate: Certificate): Promise<PlayerProcess> {
    const child = spawn(process.execPath, [...nodeArgs, path.join(here, 'player-process.ts'), url], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: certificate.cert },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    return new PlayerProcess(child, await reply(child, 'ready'));
  }

  ask<T>(command: 'from' | 'guest' | 'liar' | 'end'): Promise<T> {
    const answer = reply<T>(this.child, command);
    this.child.send(command);
    return answer;
  }

  stop(): void {
    if (this.child.connected) this.child.disconnect();
  }
}

function reply<T>(child: ChildProcess, command: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (work: () => void) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      work();
    };
    const onMessage = (message: any) => {
      if (message.command !== command) return;
      finish(() => (message.error ? reject(new Error(message.error)) : resolve(message.result)));
    };
    const onExit = (code: number | null) => finish(() => reject(new Error(`the players ended with ${code}`)));
    const timer = setTimeout(() => finish(() => reject(new Error(`no ${command} in 40 s`))), 40_000);
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
