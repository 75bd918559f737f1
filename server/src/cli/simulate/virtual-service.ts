import type { Answer, FunctionSet, SocketEvent } from '@baton/functions';
import { InvalidReply, type Reply, readReply } from '../../calls/index.ts';
import { linkStale, socketNotFound } from '../../errors.ts';
import { type LinkActions, Linking, type LinkingOptions, wishOf } from '../../sockets/links/index.ts';
import { Records } from '../../store/index.ts';
import { FunctionsFailed, textOf } from './functions-failed.ts';
import type { CALL_KINDS } from './task.ts';
import { VirtualSocket } from './virtual-socket.ts';

type Kind = (typeof CALL_KINDS)[number];

/** As of a mapping that says nothing else. */
const MAPPING = { name: 'simulation', waitTimeout: 60_000, timeout: 5_000, receiveTimeout: 10_000 };
const TENANT = 'default';

export interface ServiceEvents {
  /** Tells of each call before it is made. */
  calling(kind: Kind, socket: VirtualSocket): void;
  linked(socket: VirtualSocket): void;
  unlinked(socket: VirtualSocket): void;
  /** @param by who has closed it: its client, or a function, by an answer or over the control API */
  closed(socket: VirtualSocket, by: 'client' | 'function'): void;
  /** A link that was wanted is not made; the code of the catalogue. */
  refused(code: string): void;
  failed(error: unknown): void;
}

/** The service as functions see it: their calls, and links by the decisions of the real one. */
export class VirtualService {
  readonly #functions: FunctionSet;
  readonly #events: ServiceEvents;
  readonly #sockets = new Map<string, VirtualSocket>();
  readonly #linking: Linking;
  #opened = 0;

  constructor(functions: FunctionSet, events: ServiceEvents) {
    this.#functions = functions;
    this.#events = events;
    this.#linking = new Linking({
      store: recordsAlone(),
      log: SILENT,
      // the socket hears of it, too
      tenantLog: { failed: () => {} },
      local: (socketId) => this.#sockets.get(socketId),
      epoch: () => 1,
      call: async () => undefined,
    });
  }

  /** A client opens a socket. */
  open(playerId: string, attributes: Record<string, unknown>, options: unknown): VirtualSocket {
    const socket = new VirtualSocket(
      `s${++this.#opened}`,
      { tenant: TENANT, playerId, attributes },
      {
        changed: (...change) => this.#changed(...change),
        refused: ({ code }) => this.#events.refused(code),
        relinked: (changed) => this.#linking.watch(changed),
      },
    );
    this.#sockets.set(socket.roomId, socket);
    this.#inLine(socket, async () => {
      const reply = await this.#call(socket, 'open', options);
      if (socket.gone) return;
      const { reject, peer, peers, group } = reply.actions;
      if (reject) {
        this.#end(socket, 'error', 'function');
        return;
      }
      socket.status = (peer ?? peers ?? group) ? 'waiting' : 'open';
      this.#act(socket, reply, true);
    });
    return socket;
  }

  /** A client closes its socket. */
  leave(socket: VirtualSocket): void {
    this.#end(socket, 'left', 'client');
  }

  // --- the control API

  /** @throws BATON_SOCKET_NOT_FOUND */
  find(socketId: string): VirtualSocket {
    const socket = this.#sockets.get(socketId);
    if (!socket) throw socketNotFound({ socketId });
    return socket;
  }

  /** @throws BATON_LINK_… */
  async link(socket: VirtualSocket, actions: LinkActions): Promise<void> {
    const { roomId: socketId } = socket;
    if (!socket.settled) throw linkStale({ socketId, reason: 'it is still opening' });
    const refused = await this.#linking.want(socket, wishOf(actions), MAPPING.waitTimeout);
    if (!refused) return;
    this.#events.refused(refused.code);
    throw refused;
  }

  async unlink({ roomId }: VirtualSocket): Promise<void> {
    await this.#linking.unlink(TENANT, roomId);
  }

  close(socket: VirtualSocket): void {
    this.#end(socket, 'deleted', 'function');
  }

  /** A client hears something. The simulated ones accept every match that they are asked about, and say nothing else. */
  send(socket: VirtualSocket, text: string): void {
    const match = askedMatch(text);
    if (match === undefined || !this.#functions.receive) return;
    const said = JSON.stringify({ accept: match });
    this.#inLine(socket, async () => {
      if (!socket.gone) this.#act(socket, await this.#call(socket, 'receive', Buffer.from(said)));
    });
  }

  // --- what functions are told, and answer

  #inLine(socket: VirtualSocket, work: () => Promise<void>): void {
    socket.line = socket.line.then(work).catch((error) => this.#events.failed(error));
  }

  #changed(socket: VirtualSocket, change: 'linked' | 'unlinked', peers: string[]): void {
    this.#events[change](socket);
    if (!this.#functions[change]) return;
    this.#inLine(socket, async () => {
      this.#act(socket, await this.#call(socket, change, { peers }));
    });
  }

  #end(socket: VirtualSocket, reason: string, by: 'client' | 'function'): void {
    if (socket.gone) return;
    socket.gone = true;
    this.#sockets.delete(socket.roomId);
    this.#linking.end(socket).catch((error) => this.#events.failed(error));
    this.#inLine(socket, async () => void (await this.#call(socket, 'close', { reason })));
    this.#events.closed(socket, by);
  }

  async #call(socket: VirtualSocket, kind: Kind, data: unknown): Promise<Reply> {
    const call = this.#functions[kind] as ((event: SocketEvent) => unknown) | undefined;
    if (!call) return { actions: {} };
    this.#events.calling(kind, socket);
    const sequence = ++socket.calls;
    const event = {
      ...{ kind, id: `${socket.roomId}-${sequence}`, socketId: socket.roomId, playerId: socket.playerId },
      ...{ tenant: TENANT, mapping: MAPPING.name, mappingVersion: 1, epoch: 1, sequence },
      ...{ attributes: structuredClone(socket.attributes), data },
      ...(data instanceof Uint8Array ? received(data) : {}),
    };
    const answer = await this.#answered(socket, kind, async () => call.call(this.#functions, event));
    if (kind === 'close') return { actions: {} };
    try {
      return readAnswer(answer, kind === 'open');
    } catch (error) {
      if (error instanceof InvalidReply) throw failed(kind, socket, error.message, error);
      throw error;
    }
  }

  async #answered(socket: VirtualSocket, kind: Kind, answer: () => Promise<unknown>): Promise<unknown> {
    const ms = kind === 'receive' ? MAPPING.receiveTimeout : MAPPING.timeout;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it did not answer within ${ms / 1000} s`)), ms);
    });
    try {
      return await Promise.race([answer(), late]);
    } catch (error) {
      throw failed(kind, socket, textOf(error), error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param opens it answers the open call: the socket is settled, whatever it says */
  #act(socket: VirtualSocket, { actions, message }: Reply, opens = false): void {
    if (socket.gone) return;
    const { attributes, send, close } = actions;
    if (attributes) socket.keep(attributes);
    if (send !== undefined) this.send(socket, typeof send === 'string' ? send : JSON.stringify(send));
    if (message?.text) this.send(socket, Buffer.from(message.data).toString());
    const wish = wishOf(actions);
    // rooms are not simulated
    delete wish.room;
    if (opens || Object.keys(wish).length > 0) void this.#linking.settle(socket, wish, MAPPING.waitTimeout);
    if (close) this.#end(socket, 'function', 'function');
  }
}

function failed(kind: Kind, { roomId, playerId }: VirtualSocket, why: string, cause: unknown): Error {
  const what = `the ${kind} function, called for socket ${roomId} of player ${playerId}, failed: ${why}`;
  return new FunctionsFailed(what, { socketId: roomId, cause });
}

/** As the answer of a call over HTTP is read. @throws InvalidReply */
function readAnswer(answer: unknown, open: boolean): Reply {
  const given = answer as Answer;
  if (given === undefined) return { actions: {} };
  if (typeof given === 'string') return { actions: {}, message: { data: Buffer.from(given), text: true } };
  if (given instanceof Uint8Array) return { actions: {}, message: { data: given, text: false } };
  const json = JSON.stringify(given) as string | undefined;
  if (json === undefined) throw new InvalidReply(`it answered with a value of type ${typeof given}`);
  return readReply('application/json', Buffer.from(json), open);
}

function received(bytes: Uint8Array) {
  return { contentType: 'text/plain; charset=utf-8', bytes, text: Buffer.from(bytes).toString() };
}

/** The match of a ready check of `matchmake()`, if the message is one. */
function askedMatch(text: string): string | undefined {
  if (!text.includes('match-found')) return undefined;
  try {
    const { event, match } = JSON.parse(text) as { event?: unknown; match?: unknown };
    return event === 'match-found' && typeof match === 'string' ? match : undefined;
  } catch {
    return undefined;
  }
}

/** Records of links, as the store keeps them. */
function recordsAlone(): LinkingOptions['store'] {
  const records = new Records(Date.now);
  return {
    commit: async (changes) => records.commit(changes)?.version,
    getMany: async (keys) => new Map(records.getMany(keys)),
    owners: async () => new Map(),
  };
}

const SILENT: LinkingOptions['log'] = { warn: () => {} };
