// What a host tells Prometheus. A scrape reaches any one host of the machine; it asks the others and answers for all.
import { matchMaker } from '@colyseus/core';
import type { Peers } from '../handoff/index.ts';
import type { Ownership } from '../migration/index.ts';
import { SocketRoom } from '../sockets/index.ts';
import type { HostRecord, Store } from '../store/index.ts';
import {
  counters,
  type Metric,
  Metrics,
  metricsText,
  type Reading,
  type Series,
  type Tally,
} from '../telemetry/index.ts';

const METHOD = 'host.metrics';
/** A host that does not answer by then is left out. */
const METRICS_TIMEOUT_MS = 2_000;

/** docs/metrics.md lists the same. All have the label `host` as well. */
export const METRICS = {
  baton_host_info: { type: 'gauge', help: '1 for each host that answered', labels: ['generation', 'state'] },
  baton_hosts_silent: { type: 'gauge', help: 'Other hosts of this machine that did not answer' },
  baton_rooms: { type: 'gauge', help: 'Rooms that run here, sockets not counted' },
  baton_sockets: { type: 'gauge', help: 'Hosted sockets that run here', labels: ['status'] },
  baton_clients: { type: 'gauge', help: 'Clients in rooms and sockets that run here' },
  baton_connections: { type: 'gauge', help: 'Open WebSocket connections' },
  baton_connections_opened_total: {
    type: 'counter',
    help: 'Connections opened here; moved ones not counted',
  },
  baton_messages_received_total: { type: 'counter', help: 'Messages received from clients' },
  baton_messages_sent_total: { type: 'counter', help: 'Messages sent to clients' },
  baton_messages_left_out_total: {
    type: 'counter',
    help: 'Messages that a peer could not take at once, from sockets whose mapping is volatile',
  },
  baton_received_bytes_total: { type: 'counter', help: 'Bytes received from clients, framing included' },
  baton_sent_bytes_total: {
    type: 'counter',
    help: 'Bytes that the kernel took for clients, framing included',
  },
  baton_calls_total: {
    type: 'counter',
    help: 'Calls to functions by kind and what came of them, all attempts of one call together',
    labels: ['event', 'outcome'],
  },
  baton_call_duration_seconds: {
    type: 'histogram',
    help: 'From the first attempt of a call to its end',
    labels: ['event'],
  },
  baton_call_retries_total: { type: 'counter', help: 'Attempts after the first one of a call' },
  baton_circuits_open: {
    type: 'gauge',
    help: 'Endpoints that are left alone because they failed too often',
  },
  baton_dead_letters_total: { type: 'counter', help: 'Calls put on the list of dead letters' },
  baton_sockets_linked_total: { type: 'counter', help: 'Sockets that were linked while they were here' },
  baton_moves_total: {
    type: 'counter',
    help: 'Moves of rooms away from here: moved, or the code of what stopped them',
    labels: ['outcome'],
  },
  baton_move_blackout_seconds: {
    type: 'histogram',
    help: 'How long a room that moved away from here did not run',
  },
  baton_store_up: { type: 'gauge', help: '1 while the store can be reached' },
  baton_store_outages_total: { type: 'counter', help: 'Times that the connection to the store was lost' },
  baton_store_ping_seconds: { type: 'gauge', help: 'How long the store took to answer just now' },
  baton_control_requests_total: {
    type: 'counter',
    help: 'Requests to the control API',
    labels: ['operation', 'status'],
  },
  baton_control_request_duration_seconds: { type: 'histogram', help: 'Time to answer them' },
} as const satisfies Record<string, Metric>;

export interface HostMetricsOptions {
  self: () => HostRecord;
  store: Store;
  handoff: Peers;
  ownership: Ownership;
  /** Open connections of the transport. */
  connections: () => number;
  /** Endpoints that are left alone. */
  openCircuits: () => number;
}

export class HostMetrics {
  private readonly options: HostMetricsOptions;
  private readonly metrics: Metrics<typeof METRICS>;
  private silent = 0;

  constructor(options: HostMetricsOptions) {
    const { self, store, handoff } = options;
    this.options = options;
    store.onConnectionChange((up) => void (counters.storeOutages += up ? 0 : 1));
    this.metrics = new Metrics({ host: self().id }, METRICS, this.readers());
    handoff.handle(METHOD, () => this.metrics.read());
  }

  /** Of all hosts of this machine. */
  async text(): Promise<string> {
    const { store, handoff, self } = this.options;
    const { id, machine } = self();
    const hosts = await store.hosts().catch(() => []);
    const others = hosts.filter((host) => host.machine === machine && host.id !== id);
    const asked = others.map(({ handoffPath }) =>
      handoff
        .call<Reading[]>(handoffPath, METHOD, null, { timeoutMs: METRICS_TIMEOUT_MS })
        .catch(() => undefined),
    );
    const answers = (await Promise.all(asked)).filter((readings) => readings !== undefined);
    this.silent = others.length - answers.length;
    return metricsText([await this.metrics.read(), ...answers]);
  }

  private readers() {
    const { self, store, connections, openCircuits } = this.options;
    return {
      baton_host_info: (): Series[] => [[[String(self().generation), self().state], 1]],
      baton_hosts_silent: () => this.silent,
      baton_rooms: () => this.rooms().filter((room) => !(room instanceof SocketRoom)).length,
      baton_sockets: () => this.sockets(),
      baton_clients: () => matchMaker.stats.local.ccu,
      baton_connections: connections,
      baton_connections_opened_total: () => counters.connectionsOpened,
      baton_messages_received_total: () => counters.messagesIn,
      baton_messages_sent_total: () => counters.messagesOut,
      baton_messages_left_out_total: () => counters.messagesLeftOut,
      baton_received_bytes_total: () => counters.bytesIn,
      baton_sent_bytes_total: () => counters.bytesOut,
      baton_calls_total: () => seriesOf(counters.calls),
      baton_call_duration_seconds: () =>
        [...counters.callSeconds.of].map(([event, durations]): Series => [[event], durations]),
      baton_call_retries_total: () => counters.callRetries,
      baton_circuits_open: openCircuits,
      baton_dead_letters_total: () => counters.deadLetters,
      baton_sockets_linked_total: () => counters.socketsLinked,
      baton_moves_total: () => seriesOf(counters.moves),
      baton_move_blackout_seconds: () => counters.blackouts,
      baton_store_up: () => Number(store.connected),
      baton_store_outages_total: () => counters.storeOutages,
      baton_store_ping_seconds: async () => {
        const since = performance.now();
        await store.ping();
        return (performance.now() - since) / 1_000;
      },
      baton_control_requests_total: () => seriesOf(counters.controlRequests),
      baton_control_request_duration_seconds: () => counters.controlSeconds,
    };
  }

  private rooms(): unknown[] {
    return this.options.ownership.rooms().map((roomId) => matchMaker.getLocalRoomById(roomId));
  }

  private sockets(): Series[] {
    const statuses = { opening: 0, open: 0, waiting: 0, linked: 0 };
    for (const room of this.rooms()) if (room instanceof SocketRoom) statuses[room.status]++;
    return Object.entries(statuses).map(([status, count]) => [[status], count]);
  }
}

/** Names of a tally are its labels, with spaces between them. */
function seriesOf({ counts }: Tally): Series[] {
  return [...counts].map(([name, count]) => [name.split(' '), count]);
}
