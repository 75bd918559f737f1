// The control API shares the service's port: its paths are answered before the app sees them.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { limitMatchmaking } from './body-limit.ts';

const CONTROL_PATH = /^\/(?:v1\/(?:hosts|rooms|reload)(?:[/?]|$)|healthz(?:\?|$)|readyz(?:\?|$))/;

type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** @param control an express app or router */
export function interceptControl(server: Server, control: Handler): void {
  const emit = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean;
  server.emit = ((event: string, ...args: unknown[]) => {
    const request = args[0] as IncomingMessage;
    if (event !== 'request') return emit(event, ...args);
    if (!CONTROL_PATH.test(request.url ?? '')) {
      return limitMatchmaking(request, args[1] as ServerResponse) ? emit(event, ...args) : true;
    }
    control(request, args[1] as ServerResponse, () => emit(event, ...args));
    return true;
  }) as typeof server.emit;
}
