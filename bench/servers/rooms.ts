// The rooms every Colyseus server of the benches runs, whatever its transport.
import { type Client, Room } from '@colyseus/core';

/** Two players; what one sends, the other gets: as bytes ('b') and as a msgpack value ('m'). */
export class PairRoom extends Room {
  override maxClients = 2;

  override onCreate() {
    this.onMessageBytes('b', (client, bytes) => this.#peer(client)?.sendBytes('b', bytes as Buffer));
    this.onMessage('m', (client, value) => this.#peer(client)?.send('m', value));
  }

  #peer(client: Client): Client | undefined {
    const [first, second] = this.clients;
    return client === first ? second : first;
  }
}

/** Players who do nothing. */
export class CrowdRoom extends Room {
  override maxClients = 50;
}
