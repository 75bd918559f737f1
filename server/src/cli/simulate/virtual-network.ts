import { replySchema } from '../../calls/index.ts';
import { asBatonError, invalidRequest } from '../../errors.ts';
import type { VirtualService } from './virtual-service.ts';
import type { VirtualSocket } from './virtual-socket.ts';

const PATH = /^\/v1\/sockets\/([^/]+)(?:\/(link|unlink|send))?$/;

/**
 * fetch() of simulated functions: the control API's requests about one socket are answered, wherever the service is said
 * to be. There is no other network.
 */
export function controlApi(service: VirtualService): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, { ...init, signal: null });
    const { pathname } = new URL(request.url);
    const [, id, verb = ''] = PATH.exec(pathname) ?? [];
    const what = `${request.method} ${verb}`.trim();
    if (id === undefined || !(what in ROUTES))
      throw new TypeError(`a simulation has no network: ${request.method} ${request.url}`);
    try {
      const socket = service.find(decodeURIComponent(id));
      const shown = await ROUTES[what as keyof typeof ROUTES](service, socket, request);
      return shown ? Response.json(viewOf(socket)) : new Response(null, { status: 204 });
    } catch (error) {
      const { status, code, message: detail, details } = asBatonError(error);
      const headers = { 'content-type': 'application/problem+json' };
      return new Response(JSON.stringify({ status, code, detail, details }), { status, headers });
    }
  };
}

/** What is done; and whether the socket is the answer. */
type Route = (service: VirtualService, socket: VirtualSocket, request: Request) => Promise<boolean>;

const ROUTES = {
  GET: async () => true,
  'POST link': async (service, socket, request) => {
    const wish = replySchema.safeParse(await request.json().catch(() => undefined));
    if (!wish.success) throw invalidRequest({ reason: wish.error.issues[0]!.message });
    await service.link(socket, wish.data);
    return true;
  },
  'POST unlink': async (service, socket) => {
    await service.unlink(socket);
    return true;
  },
  'POST send': async (service, socket, request) => {
    service.send(socket, await request.text());
    return false;
  },
  DELETE: async (service, socket) => {
    service.close(socket);
    return false;
  },
} satisfies Record<string, Route>;

function viewOf({ roomId, playerId, status, peers, alias, attributes, openedAt }: VirtualSocket) {
  return { socketId: roomId, playerId, status, peers, alias, attributes, openedAt };
}
