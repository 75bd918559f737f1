// How long a room does not run while it moves between the two hosts of a service, its clients sending.
import { setTimeout as after } from 'node:timers/promises';
import { Child } from './child.ts';
import { percentile, progress, type Report } from './report.ts';
import { type BenchService, startService } from './service.ts';

const CASES: Case[] = [
  { name: '2 clients', room: 'field', clients: 2, moves: 400 },
  { name: '100 clients', room: 'field', clients: 100, moves: 300 },
  {
    name: '100 clients 10000 instances',
    room: 'bigfield',
    clients: 100,
    moves: 200,
    encoderBytes: 512 * 1024,
  },
];
const WARM_UP_MOVES = 60;
const QUICK_MOVES = 2;
const PAUSE_MS = 30;
const HZ = 10;

interface Case {
  name: string;
  room: string;
  clients: number;
  moves: number;
  /** `Encoder.BUFFER_SIZE`, where the state needs more than the default. */
  encoderBytes?: number;
}

async function measure({ api, port }: BenchService, { name, room, clients, ...full }: Case, report: Report) {
  const moves = report.quick ? QUICK_MOVES : full.moves;
  const warmUp = report.quick ? 0 : WARM_UP_MOVES;
  const swarm = new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] });
  try {
    await swarm.call('crowd', { port, room, count: clients });
    await swarm.call('start', { dialect: 'colyseus', kind: 'value', size: 16, hz: HZ });
    const known = (await api.rooms()).find((view) => view.name === room && view.clients === clients)!;
    const hosts = (await api.hosts()).map(({ id }) => id);
    let at = known.host;
    const blackouts: number[] = [];
    for (let n = 0; n < warmUp + moves; n++) {
      progress(`${name}: move ${n + 1} of ${warmUp + moves}`);
      const { blackoutMs, to } = await api.migrate(known.roomId, hosts.find((host) => host !== at)!);
      at = to;
      if (n >= warmUp) blackouts.push(blackoutMs);
      await after(PAUSE_MS);
    }
    const { closed } = await swarm.call<{ closed: number }>('counts');
    if (closed > 0) throw new Error(`${name}: ${closed} clients lost their connection`);
    for (const p of [50, 99]) report.add(`${name} p${p}`, 'baton', percentile(blackouts, p), 'ms');
  } finally {
    await swarm.stop();
  }
}

export async function blackout(report: Report): Promise<void> {
  for (const one of CASES) {
    const { encoderBytes } = one;
    const service = await startService(encoderBytes ? { BATON_BENCH_ENCODER_BYTES: `${encoderBytes}` } : {});
    try {
      await measure(service, one, report);
    } finally {
      progress('');
      await service.close();
    }
  }
}
