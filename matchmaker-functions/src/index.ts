// What a studio writes and runs itself: the functions Baton calls when a player's socket opens, speaks or closes, served
// over HTTP. Ready-made matchmakers are functions of the same form, to use as they are or as a start.

export { type ControlApiOptions, controlApi, type Service, ServiceError, type Wish } from './control-api.ts';
export { type DefineOptions, defineFunctions, type Functions } from './define.ts';
export {
  type Actions,
  type Answer,
  type FunctionSet,
  type LinkedEvent,
  MalformedEvent,
  type OpenAnswer,
  type ReceiveEvent,
  type SocketEvent,
  type UnlinkedEvent,
} from './events.ts';
export { firstComePairs, type PairOptions } from './first-come-pairs.ts';
export type { FunctionRequest, FunctionResponse } from './http.ts';
export { type MatchmakeOptions, type Matchmaking, matchmake } from './match/matchmake.ts';
export { CLOSES, type MatchMessage } from './match/messages.ts';
export type { Match, Matchmaker, Player, Rating, Ticket } from './match/types.ts';
export type { Rejection, TicketOf, TicketWish } from './match/wish.ts';
export * from './matchmakers/index.ts';
export { memoryPool, type PoolOptions, TicketPool, type WaitingTicket } from './pool/pool.ts';
export type { Claim, Entered, Entering, Left, PooledMatch, PooledTicket, TicketState } from './pool/types.ts';
export { PoolFull } from './pool/types.ts';
export type { NodeListener, Served, ServeOptions } from './serve-node.ts';
export { Unsigned, verify } from './signature.ts';
