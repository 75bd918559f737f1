// Rooms that the move benches move: players who are steered all the time, and with them none or many things.
import { defineRoom, defineServer, matchMaker, Room } from '@colyseus/core';
import { Encoder, type SchemaType, schema, t } from '@colyseus/schema';

const Spot = schema({ x: t.float32(), y: t.float32(), hp: t.uint8() }, 'Spot');
const Field = schema({ players: t.map(Spot), things: t.map(Spot) }, 'Field');
type Field = SchemaType<typeof Field>;

// What an app with a large state sets; every room of a process then has buffers of that size.
Encoder.BUFFER_SIZE = Number(process.env.BATON_BENCH_ENCODER_BYTES ?? Encoder.BUFFER_SIZE);

const TICK_MS = 1000 / 20;
const TOUCHED_PER_TICK = 50;

class FieldRoom extends Room<{ state: Field }> {
  override maxClients = 200;
  override patchRate = TICK_MS;
  override state = new Field();
  protected things = 0;
  private tick = 0;

  override messages = { m: () => {} };

  override onCreate() {
    for (let n = 0; n < this.things; n++)
      this.state.things.set(`t${n}`, new Spot().assign({ x: n, y: -n, hp: 100 }));
    this.setSimulationInterval(() => this.step(), TICK_MS);
  }

  override onJoin(client: { sessionId: string }) {
    this.state.players.set(client.sessionId, new Spot().assign({ x: 0, y: 0, hp: 100 }));
  }

  override onLeave(client: { sessionId: string }) {
    this.state.players.delete(client.sessionId);
  }

  private step() {
    this.tick++;
    for (const player of this.state.players.values()) {
      player.x += 0.5;
      player.y = Math.sin(this.tick / 10);
    }
    for (let n = 0; n < Math.min(this.things, TOUCHED_PER_TICK); n++) {
      const thing = this.state.things.get(`t${(this.tick * TOUCHED_PER_TICK + n) % this.things}`);
      if (thing) thing.x += 1;
    }
  }
}

class BigFieldRoom extends FieldRoom {
  protected override things = 9_900;
}

/** Two players; what one sends, the other gets. */
class PairRoom extends Room {
  override maxClients = 2;
  override messages = {
    m: (client: { sessionId: string }, value: unknown) => {
      for (const other of this.clients) if (other.sessionId !== client.sessionId) other.send('m', value);
    },
  };
}

export default defineServer({
  greet: false,
  rooms: { field: defineRoom(FieldRoom), bigfield: defineRoom(BigFieldRoom), pair: defineRoom(PairRoom) },
  // All rooms on one host, so that its drain moves every one of them.
  selectProcessIdToCreateRoom: async () => {
    const processes = await matchMaker.stats.fetchAll();
    return processes.map(({ processId }) => processId).sort()[0]!;
  },
});
