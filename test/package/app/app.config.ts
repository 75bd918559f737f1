import { defineRoom, defineServer, Room } from '@colyseus/core';
import { Schema, type } from '@colyseus/schema';

class Counter extends Schema {
  @type('number') value = 0;
}

class CounterRoom extends Room {
  override state = new Counter();

  override onCreate() {
    this.onMessage('add', (client, amount: number) => {
      this.state.value += amount;
      client.send('sum', this.state.value);
    });
    // What `baton bots` asks.
    this.onMessage('ping-n', (client, n: number) => client.send('pong-n', n));
    this.onMessage('state?', (client, n: number) => {
      this.broadcastPatch();
      client.send('state!', { n, json: JSON.stringify(this.state) });
    });
  }
}

export default defineServer({ rooms: { counter: defineRoom(CounterRoom) } });
