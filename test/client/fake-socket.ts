// A WebSocket with nobody on the other side: the test says what comes, and sees what goes.
import { Baton, type BatonSocket, type OpenOptions } from '@baton/client';

export class FakeSocket {
  binaryType = '';
  protocol = 'baton.resume.v1';
  readyState = 1;
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  readonly sent: unknown[] = [];
  readonly closes: (number | undefined)[] = [];

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(code?: number): void {
    this.closes.push(code);
    this.end(code ?? 1005);
  }

  hear(data: string | Uint8Array): void {
    this.onmessage?.({ data: typeof data === 'string' ? data : data.slice().buffer });
  }

  says(event: string, fields: object = {}): void {
    this.hear(`\u0001${JSON.stringify({ event, ...fields })}`);
  }

  end(code: number, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

export const OPENED = { socketId: 's', playerId: 'p', secret: 'x', resumeMs: 10_000, forward: 'both' };

/** A socket that is open, and its connections: the first one now, others as they come. */
export async function openFake(
  options: Partial<OpenOptions> & { format?: 'json'; schema?: any } = {},
  opened: object = {},
): Promise<{ socket: BatonSocket<any>; connections: FakeSocket[] }> {
  const connections: FakeSocket[] = [];
  class Watched extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      connections.push(this);
    }
  }
  const opening = new Baton('ws://x', { WebSocket: Watched }).open('duel', { token: 't', ...options } as any);
  while (connections.length === 0) await Promise.resolve();
  connections[0]!.says('open', { ...OPENED, ...opened });
  return { socket: await opening, connections };
}
