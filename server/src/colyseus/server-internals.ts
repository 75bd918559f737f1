// What Baton touches of Colyseus' Server, its matchmaking controller and its own transport besides their public API.
import type { Server as HttpServer } from 'node:http';
import { type AuthContext, matchMaker, RegisteredHandler, Server, type Transport } from '@colyseus/core';

/** Methods and fields of Server that TypeScript marks private, or that are replaced on its prototype. */
export interface ServerInternals {
  /** Makes transport, presence and driver from the options; listen() and the constructor call it. */
  bootRuntime(this: Server): void;
  listen(this: Server, port: number): Promise<void>;
  /** Prints a banner. */
  greet: boolean;
}

/** All servers of this process. */
export const serverPrototype = (): ServerInternals => Server.prototype as unknown as ServerInternals;
export const serverInternals = (server: Server): ServerInternals => server as unknown as ServerInternals;

/** What an app gave to the WebSocketTransport it made: it keeps most of it in private fields. */
export interface WebSocketTransportInternals {
  pingIntervalMS?: number;
  pingMaxRetries?: number;
  _beforeUpgrade?: Function;
  /** The server of `ws`. */
  wss?: { options?: { maxPayload?: number; handleProtocols?: Function; verifyClient?: Function } };
  server?: HttpServer;
}

export const transportInternals = (transport: Transport): WebSocketTransportInternals =>
  transport as unknown as WebSocketTransportInternals;

/** Tells listeners of `define(…).on(event)`, and the lobby among them. */
export interface HandlerInternals {
  emit(event: string, ...args: unknown[]): boolean;
}

export const handlerPrototype = (): HandlerInternals =>
  RegisteredHandler.prototype as unknown as HandlerInternals;

/** What the HTTP routes of the matchmaker call. */
export interface ControllerInternals {
  invokeMethod(
    method: string,
    roomName: string,
    options?: Record<string, unknown>,
    auth?: AuthContext,
  ): Promise<unknown>;
}

export const controllerInternals = (): ControllerInternals => matchMaker.controller as ControllerInternals;
