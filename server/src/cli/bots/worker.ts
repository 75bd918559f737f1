// A process full of bots, started by worker-process.ts.
import type { Client } from '@colyseus/sdk';
import { Bot } from './bot.ts';
import { Churner } from './churn.ts';
import type { ChurnResult, WorkerCalls } from './types.ts';

// The SDK tells people about reconnections; here the numbers tell.
console.info = () => {};
console.warn = () => {};

let bots: Bot[] = [];
let churners: Churner[] = [];

/** @param socket `ws` = the package the SDK falls back to where there is no global WebSocket */
async function connectTo(url: string, socket: 'global' | 'ws'): Promise<Client> {
  if (socket === 'ws') Reflect.deleteProperty(globalThis, 'WebSocket');
  const { Client } = await import('@colyseus/sdk');
  return new Client(url);
}

const calls: WorkerCalls = {
  async join({ url, room, count, sdkSocket }) {
    const client = await connectTo(url, sdkSocket);
    for (let n = 0; n < count; n++) bots.push(await Bot.join(client, room));
    return bots.map((bot) => bot.room.roomId);
  },
  start({ hz }) {
    for (const bot of bots) bot.start(hz);
  },
  async check() {
    const equal = await Promise.all(bots.map((bot) => bot.check()));
    return equal.filter((same) => !same).length;
  },
  async finish() {
    const results = await Promise.all(bots.map((bot) => bot.finish()));
    bots = [];
    return results;
  },
  async startChurn({ url, rooms, players, seed }) {
    const client = await connectTo(url, 'ws');
    churners = Array.from({ length: players }, (_, n) => new Churner(client, rooms, seed + n));
  },
  async stopChurn() {
    const results = await Promise.all(churners.map((churner) => churner.stop()));
    const total: ChurnResult = { joined: 0, left: 0, dropped: 0, reconnected: 0, failed: 0, faults: [] };
    for (const result of results) {
      for (const key of ['joined', 'left', 'dropped', 'reconnected', 'failed'] as const)
        total[key] += result[key];
      total.faults.push(...result.faults);
    }
    return total;
  },
};

interface Call {
  id: number;
  method: keyof WorkerCalls;
  args: never;
}

process.on('message', async ({ id, method, args }: Call) => {
  try {
    process.send?.({ id, result: await calls[method](args) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit());
