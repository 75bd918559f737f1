// What an own service runs when bots play on sockets only.
import { defineServer } from '@colyseus/core';

export default defineServer({ rooms: {}, greet: false });
