// A WebSocket client that knows nothing of Colyseus: the `ws` package, and baton.v1 as docs/sockets.md has it.
import WebSocket from 'ws';

export interface PlainOptions {
  token: string;
  how?: 'protocol' | 'header' | 'query';
  options?: unknown;
  headers?: Record<string, string>;
  protocols: string[];
}

const ESCAPE = '\u0001';

export class Plain {
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  private readonly socket: WebSocket;
  private readonly events: { event: string; [field: string]: unknown }[] = [];
  private readonly messages: (string | Buffer)[] = [];
  private read = 0;
  private unwritten = 0;
  private wake: (() => void)[] = [];

  constructor(
    url: string,
    mapping: string,
    { token, how = 'query', options, protocols, ...more }: PlainOptions,
  ) {
    const address = new URL(`/v1/socket/${mapping}`, url.replace(/^http/, 'ws'));
    if (options !== undefined) address.searchParams.set('options', JSON.stringify(options));
    if (how === 'query' && token) address.searchParams.set('token', token);
    const headers = { ...more.headers, ...(how === 'header' ? { authorization: `Bearer ${token}` } : {}) };
    const offered = how === 'protocol' ? [...protocols, `baton.token.${token}`] : protocols;
    this.socket = new WebSocket(address, offered, { headers });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', () => resolve());
      this.socket.once('error', reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.stir();
      });
    });
    this.socket.on('message', (data: Buffer, isBinary) => this.heard(data, isBinary));
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  get buffered(): number {
    return this.socket.bufferedAmount;
  }

  /** Whether nothing more was written since it was last asked. */
  settled(): boolean {
    const before = this.unwritten;
    this.unwritten = this.buffered;
    return before === this.unwritten;
  }

  send(data: string | Buffer): void {
    this.socket.send(
      this.speaks && typeof data === 'string' && data.startsWith(ESCAPE) ? ESCAPE + data : data,
    );
  }

  sendAsItIs(text: string): void {
    this.socket.send(text);
  }

  /** A text message of any bytes. */
  sendText(bytes: Buffer): void {
    this.socket.send(bytes, { binary: false });
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(code?: number): void {
    this.socket.close(code);
  }

  /** The network is gone. */
  terminate(): void {
    this.socket.terminate();
  }

  /** All events of a name so far. */
  all(name: string): any[] {
    return this.events.filter(({ event }) => event === name);
  }

  /** The first event of a name. */
  async event(name: string): Promise<any> {
    await this.until(() => this.events.some(({ event }) => event === name), `event ${name}`);
    return this.events.find(({ event }) => event === name);
  }

  /** The next messages. */
  async data(count: number): Promise<(string | Buffer)[]> {
    await this.until(() => this.messages.length - this.read >= count, `${count} messages`);
    this.read += count;
    return this.messages.slice(this.read - count, this.read);
  }

  async text(): Promise<string | Buffer> {
    return (await this.data(1))[0]!;
  }

  private get speaks(): boolean {
    return this.protocol === 'baton.v1' || this.protocol === 'baton.resume.v1';
  }

  private heard(data: Buffer, isBinary: boolean): void {
    if (isBinary) this.messages.push(data);
    else {
      const text = data.toString();
      if (!this.speaks || !text.startsWith(ESCAPE)) this.messages.push(text);
      else if (text[1] === ESCAPE) this.messages.push(text.slice(1));
      else this.events.push(JSON.parse(text.slice(1)));
    }
    this.stir();
  }

  private stir(): void {
    for (const wake of this.wake.splice(0)) wake();
  }

  private async until(met: () => boolean, what: string, ms = 15_000): Promise<void> {
    const end = Date.now() + ms;
    while (!met()) {
      const left = end - Date.now();
      if (left <= 0) throw new Error(`${what} did not come; events ${JSON.stringify(this.events.slice(-5))}`);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.wake.push(resolve);
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }
}
