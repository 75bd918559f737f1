import { setTimeout as wait } from 'node:timers/promises';
import { ServiceClient } from '../service-client.ts';
import { seededRandom } from './churn.ts';
import type { Meter } from './measure.ts';
import { eachOnRamp } from './ramp.ts';
import { SocketBot } from './socket-bot.ts';
import type { BotResult, ChurnResult, WorkerCalls } from './types.ts';

type Opening = Parameters<WorkerCalls['open']>[0];

const mostFaults = 5;
const againMs = 200;
const openingAtOnce = 32;

/** The bots of one process that play on sockets. */
export class SocketCrew {
  readonly #opening: Opening;
  readonly #meter: Meter;
  readonly #service: ServiceClient;
  readonly #stopped = new AbortController();
  readonly #random: () => number;
  readonly #bots = new Set<SocketBot>();
  readonly #results: BotResult[] = [];
  readonly #churn: ChurnResult = { joined: 0, left: 0, dropped: 0, failed: 0, faults: [] };
  #running: Promise<unknown>[] = [];
  #born = 0;

  constructor(opening: Opening, meter: Meter) {
    this.#opening = opening;
    this.#meter = meter;
    this.#service = new ServiceClient(opening.url, opening.controlToken);
    this.#random = seededRandom(opening.seed);
  }

  /** @throws Error when one does not open, or gets no peer */
  async open(): Promise<void> {
    const { count, rampMs, scenario, mapping } = this.#opening;
    const bots = await eachOnRamp(count, rampMs, openingAtOnce, () => this.#open());
    if (scenario.churns) return;
    const met = await Promise.all(bots.map((bot) => bot.meet()));
    const alone = met.filter((linked) => !linked).length;
    if (alone > 0)
      throw new Error(
        `${alone} of ${count} sockets got no peer: does mapping "${mapping}" link two at a time?`,
      );
  }

  start(hz: number): void {
    const { scenario } = this.#opening;
    const bots = [...this.#bots];
    if (scenario.churns) this.#running = bots.map((bot) => this.#comeAndGo(bot, hz));
    else for (const bot of bots) bot.start(hz);
    if (scenario.slowReaders)
      this.#running = bots.filter((_, n) => n % 2 === 0).map((bot) => this.#readSlowly(bot));
  }

  pick(n: number): string | undefined {
    const linked = [...this.#bots].filter((bot) => bot.linked && !bot.parting);
    return linked[n % linked.length]?.socketId;
  }

  async settle(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#running);
    await Promise.all(Array.from(this.#bots, (bot) => bot.settle()));
  }

  finish(): { results: BotResult[]; churn?: ChurnResult } {
    for (const bot of this.#bots) {
      this.#results.push(bot.end());
      bot.close();
    }
    this.#bots.clear();
    return { results: this.#results, ...(this.#opening.scenario.churns && { churn: this.#churn }) };
  }

  async #open(): Promise<SocketBot> {
    const { url, mapping, seed, scenario } = this.#opening;
    const { token } = await this.#service.ask<{ token: string }>({
      method: 'POST',
      path: '/v1/sockets',
      timeoutMs: 30_000,
      body: { mapping, playerId: `bot-${seed}-${++this.#born}` },
    });
    const bot = await SocketBot.open({ url, mapping, token }, scenario.bytes, this.#meter);
    this.#bots.add(bot);
    return bot;
  }

  async #readSlowly(bot: SocketBot): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      await this.#pause(500, 2000);
      if (this.#stopped.signal.aborted) return;
      bot.pause();
      await this.#pause(500, 2000);
      bot.resume();
    }
  }

  /** One bot after the other in the same place. */
  async #comeAndGo(first: SocketBot, hz: number): Promise<void> {
    let bot: SocketBot | undefined = first;
    while (!this.#stopped.signal.aborted) {
      try {
        bot ??= await this.#open();
        this.#churn.joined++;
        await this.#visit(bot, hz);
      } catch (error) {
        this.#churn.failed++;
        if (this.#churn.faults.length < mostFaults) this.#churn.faults.push((error as Error).message);
        await this.#pause(againMs, againMs);
      }
      if (bot) this.#bots.delete(bot);
      bot = undefined;
    }
  }

  async #visit(bot: SocketBot, hz: number): Promise<void> {
    const { signal } = this.#stopped;
    if (!(await bot.meet(signal))) return bot.close();
    bot.start(hz);
    await Promise.race([this.#pause(1000, 4000), bot.parted(signal)]);
    const silently = this.#random() < 0.2 && !bot.parting && !signal.aborted;
    this.#results.push(silently ? bot.drop() : await bot.leave());
    this.#churn[silently ? 'dropped' : 'left']++;
  }

  /** Waits a random time, or until the run ends. */
  async #pause(least: number, more: number): Promise<void> {
    await wait(least + this.#random() * more, undefined, { signal: this.#stopped.signal }).catch(() => {});
  }
}
