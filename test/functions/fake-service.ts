// A service as a matchmaker sees it over the control API: sockets that are open, what they are linked with, what they heard.
import {
  type FunctionSet,
  type MatchMessage,
  type OpenAnswer,
  type ReceiveEvent,
  type Service,
  ServiceError,
  type SocketEvent,
  type Wish,
} from '@baton/functions';

interface FakeSocket {
  status: 'opening' | 'open' | 'waiting' | 'linked';
  /** Whom it waits for. */
  awaits?: string[];
  peers: string[];
  heard: MatchMessage[];
  group?: { name: string; size: number };
}

export class FakeService implements Service {
  readonly sockets = new Map<string, FakeSocket>();
  readonly closed = new Map<string, number>();
  /** Says what goes wrong with a request; a string is the code of a refusal. */
  fail: (what: string, socketId: string) => string | undefined = () => undefined;

  async link(socketId: string, wish: Wish): Promise<{ status: string }> {
    const socket = this.#of('link', socketId);
    if ('group' in wish) {
      this.#join(socketId, socket, wish);
      return { status: socket.status };
    }
    const all = [socketId, ...('peer' in wish ? [wish.peer] : wish.peers)];
    const others = all.map((id) => this.sockets.get(id));
    if (others.includes(undefined)) throw new ServiceError('BATON_LINK_GONE', 404, 'gone');
    if (socket.status !== 'open' || others.some((other) => ['waiting', 'linked'].includes(other!.status)))
      throw new ServiceError('BATON_LINK_TAKEN', 409, 'taken');
    if (others.every((other) => other!.status === 'open')) this.#linked(all);
    else Object.assign(socket, { status: 'waiting', awaits: all.slice(1) });
    return { status: socket.status };
  }

  /** A socket whose open call was going on is open now; who waits for it gets it. */
  opened(socketId: string): void {
    this.sockets.get(socketId)!.status = 'open';
    for (const [id, { status, awaits }] of this.sockets)
      if (status === 'waiting' && awaits?.every((peer) => this.sockets.get(peer)?.status === 'open'))
        this.#linked([id, ...awaits]);
  }

  async unlink(socketId: string): Promise<void> {
    this.#of('unlink', socketId);
    this.#leave(socketId);
  }

  async send(socketId: string, message: unknown): Promise<void> {
    this.#of('send', socketId).heard.push(message as MatchMessage);
  }

  async close(socketId: string, code: number): Promise<void> {
    this.#of('close', socketId);
    this.closed.set(socketId, code);
    this.drop(socketId);
  }

  async socket(socketId: string) {
    return this.sockets.get(socketId);
  }

  /** A socket is not there any more, and nobody was told yet. */
  drop(socketId: string): void {
    this.#leave(socketId);
    this.sockets.delete(socketId);
  }

  /** What an answer to an open call leads to. */
  answered(socketId: string, answer: OpenAnswer): void {
    const peers = answer.peers ?? (answer.peer === undefined ? [] : [answer.peer]);
    if (peers.length > 0 && peers.every((id) => this.sockets.get(id)?.status === 'open'))
      this.#linked([socketId, ...peers]);
  }

  #join(socketId: string, socket: FakeSocket, { group, size }: { group: string; size: number }): void {
    const members = [...this.sockets]
      .filter(([, { group: other }]) => other?.name === group)
      .map(([id]) => id);
    if (socket.status !== 'open' || members.length >= size)
      throw new ServiceError('BATON_LINK_TAKEN', 409, 'taken');
    socket.group = { name: group, size };
    socket.status = 'waiting';
    if (members.length + 1 === size || members.some((id) => this.sockets.get(id)!.status === 'linked'))
      this.#linked([...members, socketId]);
  }

  #linked(all: string[]): void {
    for (const id of all)
      Object.assign(this.sockets.get(id)!, { status: 'linked', peers: all.filter((other) => other !== id) });
  }

  #leave(socketId: string): void {
    const socket = this.sockets.get(socketId);
    if (!socket) return;
    for (const peer of socket.peers) {
      const other = this.sockets.get(peer)!;
      other.peers = other.peers.filter((id) => id !== socketId);
      if (other.peers.length === 0 && !other.group) other.status = 'open';
    }
    Object.assign(socket, { status: 'open', peers: [], group: undefined });
  }

  #of(what: string, socketId: string): FakeSocket {
    const code = this.fail(what, socketId);
    if (code !== undefined) throw new ServiceError(code, code === 'unreachable' ? 0 : 409, code);
    const socket = this.sockets.get(socketId);
    if (!socket) throw new ServiceError('BATON_SOCKET_NOT_FOUND', 404, 'gone');
    return socket;
  }
}

/** Players whose sockets open, speak and close: the calls that the service makes for them. */
export class Players {
  readonly service: FakeService;
  readonly functions: FunctionSet;

  constructor(service: FakeService, functions: FunctionSet) {
    this.service = service;
    this.functions = functions;
  }

  async open(socketId: string, more: Partial<SocketEvent> = {}): Promise<OpenAnswer> {
    this.service.sockets.set(socketId, { status: 'open', peers: [], heard: [] });
    const answer = (await this.functions.open(event('open', socketId, more))) as OpenAnswer;
    if (answer.reject) this.service.drop(socketId);
    else this.service.answered(socketId, answer);
    return answer;
  }

  async say(socketId: string, text: string): Promise<unknown> {
    const contentType = 'text/plain; charset=utf-8';
    return this.functions.receive!({
      ...event('receive', socketId),
      contentType,
      bytes: Buffer.from(text),
      text,
    });
  }

  async close(socketId: string): Promise<void> {
    this.service.drop(socketId);
    await this.functions.close!(event('close', socketId));
  }

  async linked(socketId: string): Promise<unknown> {
    return this.functions.linked!({ ...event('linked', socketId), data: { peers: this.peers(socketId) } });
  }

  peers(socketId: string): string[] {
    return [...(this.service.sockets.get(socketId)?.peers ?? [])].sort();
  }

  heard(socketId: string): MatchMessage[] {
    return this.service.sockets.get(socketId)?.heard ?? [];
  }

  /** The match that it is asked about. */
  asked(socketId: string): string | undefined {
    const last = this.heard(socketId).findLast((message) => message.event === 'match-found');
    return last?.event === 'match-found' ? last.match : undefined;
  }
}

function event(kind: string, socketId: string, more: Partial<SocketEvent> = {}): ReceiveEvent {
  return {
    ...{
      kind,
      id: `${kind}-${socketId}`,
      socketId,
      playerId: `player-${socketId}`,
      tenant: 'studio',
      mapping: 'duel',
    },
    ...{ mappingVersion: 1, epoch: 1, sequence: 1, attributes: {}, data: undefined },
    ...{ contentType: '', bytes: new Uint8Array(), text: '' },
    ...more,
  };
}
