// Runs on Node 20, the newest whose ABI the package has binaries for.
import { createRequire } from 'node:module';
import { meter, serveCalls } from '../serve-calls.mjs';

const uws = createRequire(import.meta.url)('@trufflesuite/uws-js-unofficial');
const waiting = new Map();
const app = uws.App().ws('/*', {
  maxPayloadLength: 4096,
  idleTimeout: 120,
  upgrade(response, request, context) {
    const header = (name) => request.getHeader(name);
    const [key, protocol, extensions] = ['key', 'protocol', 'extensions'].map((name) =>
      header(`sec-websocket-${name}`),
    );
    response.upgrade({ name: request.getUrl(), peer: null }, key, protocol, extensions, context);
  },
  open(socket) {
    const data = socket.getUserData();
    const other = waiting.get(data.name);
    if (!other) return waiting.set(data.name, socket);
    waiting.delete(data.name);
    data.peer = other;
    other.getUserData().peer = socket;
  },
  message(socket, message) {
    socket.getUserData().peer?.send(message, true);
  },
});

serveCalls({
  ...meter,
  // The package falls back to `ws` when no binary fits; that would be another subject.
  loaded: () =>
    Object.keys(process.report.getReport().sharedObjects).length &&
    process.report.getReport().sharedObjects.some((name) => name.includes('uws_')),
  listen: () =>
    new Promise((resolve, reject) => {
      app.listen('127.0.0.1', 0, (token) =>
        token ? resolve(uws.us_socket_local_port(token)) : reject(new Error('cannot listen')),
      );
    }),
});
