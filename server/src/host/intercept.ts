// The control API shares the service's port: its paths are answered before the app sees them.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressRanges } from '../address-ranges.ts';
import type { Operation } from '../control/index.ts';
import { settleAddress } from '../transport/index.ts';
import { isMatchmaking, limitMatchmaking } from './body-limit.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/**
 * @param control what `createControl` made of the operations
 * @param proxies whose word about where a client is counts
 */
export function interceptControl(
  server: Server,
  control: Handler,
  operations: Operation[],
  proxies: AddressRanges,
): void {
  const isControl = pathsOf(operations);
  const emit = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean;
  server.emit = ((event: string, ...args: unknown[]) => {
    if (event !== 'request') return emit(event, ...args);
    const [request, response] = args as [IncomingMessage, ServerResponse];
    settleAddress(request, proxies);
    const { url = '' } = request;
    if (isControl.test(url)) {
      control(request, response, () => emit(event, ...args));
      return true;
    }
    if (isMatchmaking(url)) {
      if (!limitMatchmaking(request, response)) return true;
      // Core finds the client's address in headers alone; this one counts where no trusted proxy has set another.
      request.headers['x-client-ip'] ??= request.socket.remoteAddress ?? '';
    }
    return emit(event, ...args);
  }) as typeof server.emit;
}

/** All below `/v1/hosts`, where one operation is `/v1/hosts/{id}/drain`; of other paths the app's own routes have them. */
function pathsOf(operations: Operation[]): RegExp {
  const starts = operations.map(({ path }) =>
    path
      .split('/')
      .slice(1, path.startsWith('/v1/') ? 3 : 2)
      .join('/'),
  );
  const literal = [...new Set([...starts, 'v1/docs', 'dashboard'])].map((start) =>
    start.replaceAll('.', '\\.'),
  );
  return new RegExp(`^/(?:${literal.join('|')})(?:[/?]|$)`);
}
