// A client that keeps the frames a room sends as they are.
import type { Socket } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';

const JOIN_ROOM = 10;
const ROOM_DATA = 13;

export interface Seat {
  roomId: string;
  processId: string;
  sessionId: string;
  error?: string;
}

export class RawClient {
  readonly frames: Buffer[] = [];
  readonly roomId: string;
  readonly sessionId: string;
  closed: number | undefined;
  private readonly socket: WebSocket;
  private wake: (() => void)[] = [];

  private constructor(socket: WebSocket, seat: Seat) {
    this.socket = socket;
    this.roomId = seat.roomId;
    this.sessionId = seat.sessionId;
    socket.on('message', (data) => {
      this.frames.push(Buffer.from(data as Buffer));
      for (const wake of this.wake.splice(0)) wake();
    });
    socket.on('close', (code) => {
      this.closed = code;
      for (const wake of this.wake.splice(0)) wake();
    });
  }

  /** @param method `create/name` or `joinById/id` */
  static async join(url: string, method: string, options: object = {}): Promise<RawClient> {
    return RawClient.sit(url, await RawClient.reserve(url, method, options));
  }

  /** A seat that nobody takes yet. @param method as in `join`, or `reconnect/id` with a `reconnectionToken` */
  static async reserve(
    url: string,
    method: string,
    options: object = {},
    headers: object = {},
  ): Promise<Seat> {
    const response = await fetch(`${url}/matchmake/${method}`, {
      method: 'POST',
      body: JSON.stringify(options),
      headers: { 'content-type': 'application/json', ...headers },
    });
    const seat = (await response.json()) as Seat;
    if (seat.error || !seat.roomId) throw new Error(JSON.stringify(seat));
    return seat;
  }

  /** Takes a seat reserved before. */
  static async sit(url: string, seat: Seat, options: ClientOptions = {}): Promise<RawClient> {
    const client = await RawClient.connect(url, seat, options);
    client.confirm();
    return client;
  }

  /** Like `sit`, but the room does not hear yet that its confirmation came. */
  static async connect(
    url: string,
    seat: Seat,
    options: ClientOptions & { reconnectionToken?: string } = {},
  ): Promise<RawClient> {
    if (seat.error || !seat.roomId) throw new Error(JSON.stringify(seat));
    const { reconnectionToken, ...rest } = options;
    const token = reconnectionToken === undefined ? '' : `&reconnectionToken=${reconnectionToken}`;
    const socket = new WebSocket(
      `${url.replace('http', 'ws')}/${seat.processId}/${seat.roomId}?sessionId=${seat.sessionId}${token}`,
      rest,
    );
    const client = new RawClient(socket, seat);
    await client.next(0);
    return client;
  }

  confirm(): void {
    this.socket.send(Buffer.from([JOIN_ROOM]));
  }

  /** What the room gave for coming back: in its first frame, behind the protocol code and a length. */
  get token(): string {
    const frame = this.frames[0]!;
    return frame.toString('latin1', 2, 2 + frame[1]!);
  }

  /** Stops and goes on taking what the server sends. */
  listen(on: boolean): void {
    const socket = (this.socket as unknown as { _socket: Socket })._socket;
    if (on) socket.resume();
    else socket.pause();
  }

  /** Resolves when more than `count` frames have come. */
  async next(count: number, ms = 10_000): Promise<void> {
    const end = Date.now() + ms;
    while (this.frames.length <= count) {
      if (this.closed !== undefined) throw new Error(`closed with ${this.closed}`);
      const left = end - Date.now();
      if (left <= 0) throw new Error(`only ${this.frames.length} frames came`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Sends a message whose payload is a whole number (msgpack). */
  send(type: string, value: number): void {
    const name = Buffer.from(type, 'utf8');
    const payload = Buffer.alloc(5);
    payload[0] = 0xce; // msgpack uint 32
    payload.writeUInt32BE(value >>> 0, 1);
    this.socket.send(Buffer.concat([Buffer.from([ROOM_DATA, 0xa0 | name.length]), name, payload]));
  }

  close(): void {
    this.socket.close();
  }

  terminate(): void {
    this.socket.terminate();
  }
}
