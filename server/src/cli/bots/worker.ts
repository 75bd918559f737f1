// A process full of bots, started by worker-process.ts.
import type { Client } from '@colyseus/sdk';
import { Bot } from './bot.ts';
import { addChurn, Churner } from './churn.ts';
import { Meter } from './measure.ts';
import { eachOnRamp } from './ramp.ts';
import { SocketCrew } from './socket-crew.ts';
import type { WorkerCalls } from './types.ts';

const sampleMs = 1000;

// The SDK tells people about reconnections; here the numbers tell.
console.info = () => {};
console.warn = () => {};

const meter = new Meter();
let bots: Bot[] = [];
let churners: Churner[] = [];
let crew: SocketCrew | undefined;

/** @param socket `ws` = the package the SDK falls back to where there is no global WebSocket */
async function connectTo(url: string, socket: 'global' | 'ws'): Promise<Client> {
  if (socket === 'ws') Reflect.deleteProperty(globalThis, 'WebSocket');
  const { Client } = await import('@colyseus/sdk');
  return new Client(url);
}

const calls: WorkerCalls = {
  async join({ url, room, count, sdkSocket, rampMs }) {
    const client = await connectTo(url, sdkSocket);
    bots = await eachOnRamp(count, rampMs, 1, () => Bot.join(client, room, meter));
    return bots.map((bot) => bot.room.roomId);
  },
  async open(opening) {
    crew = new SocketCrew(opening, meter);
    await crew.open();
  },
  start({ hz }) {
    for (const bot of bots) bot.start(hz);
    crew?.start(hz);
  },
  async check() {
    const equal = await Promise.all(bots.map((bot) => bot.check()));
    return equal.filter((same) => !same).length;
  },
  pick: ({ n }) => crew?.pick(n),
  async settle() {
    await Promise.all([...bots.map((bot) => bot.settle()), crew?.settle()]);
  },
  async finish() {
    const results = await Promise.all(bots.map((bot) => bot.finish()));
    bots = [];
    const ended = crew?.finish() ?? { results: [] };
    report();
    return { ...ended, results: [...results, ...ended.results] };
  },
  async startChurn({ url, rooms, players, seed }) {
    const client = await connectTo(url, 'ws');
    churners = Array.from({ length: players }, (_, n) => new Churner(client, rooms, seed + n));
  },
  async stopChurn() {
    const results = await Promise.all(churners.map((churner) => churner.stop()));
    return results.reduce(addChurn);
  },
};

interface Call {
  id: number;
  method: keyof WorkerCalls;
  args: never;
}

function report(): void {
  process.send?.({ sample: meter.take() });
}
setInterval(report, sampleMs);

process.on('message', async ({ id, method, args }: Call) => {
  try {
    process.send?.({ id, result: await calls[method](args) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit());
