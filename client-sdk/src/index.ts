// What runs in the player's browser, app or Node process: opens a socket on a mapping and talks to the peers it is linked
// with, and to the mapping's function. The socket stays the same while the service moves it, and over lost connections.
export {
  Baton,
  type BatonOptions,
  type JsonOptions,
  type OpenOptions,
  type SchemaOptions,
  type TextOptions,
} from './baton.ts';
export { clientErrors, SocketError } from './errors.ts';
export type { Format } from './format.ts';
export type { WebSocketClass, WebSocketLike } from './link.ts';
export {
  BatonSocket,
  type Data,
  type RequestOptions,
  type SendOptions,
  type SocketEvents,
} from './socket.ts';
export type { StandardSchema } from './standard-schema.ts';
