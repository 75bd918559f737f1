// What runs in the player's browser or Node process: opens a socket on a mapping and talks to the peers it is linked
// with. The socket stays the same while the service moves it.
export { SocketError } from './errors.ts';
export { type OpenOptions, open } from './open.ts';
export { BatonSocket, type Data, type SocketEvents } from './socket.ts';
