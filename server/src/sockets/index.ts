// Hosted sockets: one player's connection as a room of one seat, linked with the socket its studio's function names.
// Linked sockets are brought to one host, relay to each other there, and move together.
export { HostedSockets, type HostedSocketsOptions } from './hosted-sockets.ts';
export { SOCKET_PATH } from './opening.ts';
export type { HostedSocket } from './service.ts';
export { SOCKET_ROOM, SocketRoom } from './socket-room.ts';
