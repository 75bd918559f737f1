import { Server } from '@colyseus/core';
import { BatonTransport } from '../../server/src/transport/index.ts';
import { meter, serveCalls } from '../serve-calls.mjs';
import { CrowdRoom, PairRoom } from './rooms.ts';

const transport = new BatonTransport({});
const server = new Server({ transport, greet: false });
server.define('pair', PairRoom);
server.define('crowd', CrowdRoom);

serveCalls({
  ...meter,
  async listen() {
    await server.listen(0, '127.0.0.1');
    return (transport.server!.address() as { port: number }).port;
  },
});
