// A room that loses, repeats and swaps messages, and shows another state than it has.
import { type Client, defineRoom, defineServer, Room } from '@colyseus/core';
import { schema, t } from '@colyseus/schema';

const Score = schema({ points: t.number().default(0) }, 'Score');

class LiarRoom extends Room {
  override state = new Score();
  private held = 0;

  override messages = {
    'ping-n': (client: Client, n: number) => {
      if (n === 5) return;
      if (n === 10) {
        this.held = n;
        return;
      }
      client.send('pong-n', n);
      if (n === 11) client.send('pong-n', this.held);
      if (n === 15) client.send('pong-n', n);
    },
    'state?': (client: Client, n: number) => {
      client.send('state!', { n, json: JSON.stringify({ points: n === 1 ? 0 : 7 }) });
    },
  };
}

export default defineServer({ greet: false, rooms: { liar: defineRoom(LiarRoom), mute: defineRoom(Room) } });
