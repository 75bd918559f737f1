// What a studio writes and runs itself: the functions Baton calls when a player's socket opens or closes, served
// over HTTP. Ready-made matchmakers are functions of the same form, to use as they are or as a start.

export { type DefineOptions, defineFunctions, type Functions } from './define.ts';
export { type FunctionSet, MalformedEvent, type OpenAnswer, type SocketEvent } from './events.ts';
export { firstComePairs, type PairOptions } from './first-come-pairs.ts';
export type { FunctionRequest, FunctionResponse } from './http.ts';
export type { Served, ServeOptions } from './serve-node.ts';
