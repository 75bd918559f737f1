// One service on which moves are struck by faults, one case after another; each is judged by what players, listings
// and processes show afterwards.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { descriptorsOf } from './descriptors.ts';
import { callOnce, noLeak, RECOVERY_MS, ranInOnePlaceAtATime, retried, sleep } from './fault-checks.ts';
import { Player } from './player.ts';
import { RedisServer } from './redis.ts';
import { type HostInfo, kill, type RoomInfo, Service, until } from './service.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const app = path.join(here, '..', 'service', 'fixtures', 'faults.config.ts');

export type StoreKind = 'redis' | 'embedded';
export type Victim = 'source' | 'target' | 'supervisor' | 'store';
/** `SIGSTOP` is followed by SIGCONT; `hang` is SIGSTOP for good. */
export type Blow = 'SIGKILL' | 'SIGSTOP' | 'hang';

export interface FaultCase {
  store: StoreKind;
  side: 'source' | 'target';
  phase: string;
  victim: Victim;
  blow: Blow;
}

export const nameOf = (c: FaultCase): string => `${c.store}: ${c.side} ${c.phase}, ${c.victim} ${c.blow}`;

/** Longer than a commit may take, shorter than what makes the supervisor end a host. */
const STOPPED_MS = 4_000;
/** A client of a room that is gone knows it by then, and a room that lives answers by then. */
const VERDICT_MS = 12_000;
const LISTING_MS = 3_500;
const PLAYERS = 3;
/** For moves that nobody strikes: a host that just started may be slow on a busy machine. */
const CALM_MS = 20_000;

export class FaultBench {
  private readonly kind: StoreKind;
  private readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-faults-'));
  private redis: RedisServer | undefined;
  private service: Service | undefined;
  private descriptors = 0;
  private readonly pids = new Set<number>();

  constructor(kind: StoreKind) {
    this.kind = kind;
  }

  /** @returns how the room fared; rejects when anything is not as it must be */
  async run(fault: FaultCase): Promise<string> {
    if (!this.service) await this.open();
    try {
      const outcome = await this.strike(fault);
      if (
        fault.victim === 'supervisor' ||
        (fault.victim === 'store' && this.kind === 'embedded' && fault.blow === 'SIGKILL')
      ) {
        await this.close();
      }
      return outcome;
    } catch (error) {
      const log = this.service?.output.join('').split('\n').slice(-40).join('\n');
      (error as Error).message += `\n--- service log\n${log}`;
      await this.close();
      throw error;
    }
  }

  /** A room that never returns from a handler: its host is ended and replaced, the other host's room notices nothing. */
  async loop(): Promise<string> {
    if (!this.service) await this.open();
    const stuck = await this.seat();
    const { roomId } = stuck[0]!.room;
    const home = (await this.rooms()).find((room) => room.roomId === roomId)!.host;
    const pids = (await this.hosts()).filter((host) => host.id !== home).map((host) => host.pid);
    const others = await this.seat();
    const elsewhere = (await this.rooms()).find((room) => room.roomId === others[0]!.room.roomId)!;
    if (elsewhere.host === home) await this.moveAway(elsewhere.roomId);
    const started = Date.now();
    stuck[0]!.room.send('hang');
    const fate = await this.fate(stuck, roomId);
    const ms = Date.now() - started;
    if (fate !== 'gone') throw new Error('a host in an endless loop answered');
    for (const player of others) player.rest();
    await until(() => others.every((p) => p.pongs.length >= p.sent), 'every answer');
    const complaints = others.flatMap((p) => p.complaints());
    if (complaints.length > 0) throw new Error(`players of the other host noticed: ${complaints.join('; ')}`);
    await this.parted(others);
    await until(
      async () => (await this.hosts().catch(() => [])).filter((h) => !pids.includes(h.pid)).length === 1,
      'a new host',
      RECOVERY_MS,
    );
    await this.exercise();
    return `gone after ${ms} ms`;
  }

  close(): Promise<void> {
    this.closing ??= this.end().finally(() => {
      this.closing = undefined;
    });
    return this.closing;
  }

  private async end(): Promise<void> {
    const { service, redis } = this;
    this.service = undefined;
    this.redis = undefined;
    for (const pid of this.pids) kill(pid, 'SIGCONT');
    if (service) {
      if (this.orphaned(service)) for (const pid of this.pids) kill(pid);
      await service.stop();
    }
    for (const pid of this.pids) kill(pid);
    this.pids.clear();
    await redis?.stop();
  }

  private orphaned(service: Service): boolean {
    return service.process.exitCode !== null || service.process.signalCode !== null;
  }

  private async open(): Promise<void> {
    if (this.kind === 'redis') this.redis = await RedisServer.start();
    this.service = await Service.start(app, {
      hosts: 2,
      ...(this.redis ? { redis: this.redis.url } : {}),
      env: { BATON_FAULTS: this.dir },
    });
    await this.exercise();
    const hosts = await this.hosts();
    // those of a host that talks to the other one as it does in a move
    this.descriptors = Math.max(...hosts.map(({ pid }) => descriptorsOf(pid, this.service!.port).others));
  }

  private async strike(fault: FaultCase): Promise<string> {
    const service = this.service!;
    const players = await this.seat(fault.phase === 'precopy' ? { things: 250 } : {});
    const { roomId } = players[0]!.room;
    const room = (await this.rooms()).find((r) => r.roomId === roomId)!;
    const hosts = await this.hosts();
    const source = hosts.find((h) => h.id === room.host)!;
    const target = hosts.find((h) => h.id !== room.host)!;
    const pid = this.pidOf(fault.victim, source, target);
    const fired = path.join(this.dir, 'fired');
    fs.rmSync(fired, { force: true });
    const order = {
      side: fault.side,
      phase: fault.phase,
      roomId,
      pid,
      signal: fault.blow === 'hang' ? 'SIGSTOP' : fault.blow,
    };
    fs.writeFileSync(path.join(this.dir, 'fault.json.tmp'), JSON.stringify(order));
    fs.renameSync(path.join(this.dir, 'fault.json.tmp'), path.join(this.dir, 'fault.json'));
    let moved = 'no answer';
    const move = this.api<{ to: string }>(
      'POST',
      `/v1/rooms/${roomId}/migrate`,
      { to: target.id },
      40_000,
    ).then(
      () => (moved = 'moved'),
      (error: Error) => (moved = error.message),
    );
    await until(() => fs.existsSync(fired), `${nameOf(fault)} to strike (${moved})`, CALM_MS);
    const struckAt = Date.now();
    await this.mend(fault, pid);
    const fate = await this.fate(players, roomId);
    const ms = Date.now() - struckAt;
    const detail =
      fate === 'gone'
        ? `gone after ${ms} ms, closed with ${[...new Set(players.flatMap((p) => p.leaves))].join()}`
        : await this.judgeLiving(players, roomId, fault, { source, target });
    if (fate === 'gone') {
      await this.judgeGone(roomId, fault);
      this.judgeRuns(roomId);
    }
    await Promise.race([move, new Promise((resolve) => setTimeout(resolve, 500))]);
    await this.judgeAftermath(service, fault, [source, target]);
    return `${detail} (move: ${moved.slice(0, 90)})`;
  }

  /** A new room with players who send and receive all the time and do not come back by themselves. */
  private async seat(options: object = {}): Promise<Player[]> {
    const { url } = this.service!;
    const first = await retried(() => Player.join(url, 'faulty', options, 'create'));
    const players = [first];
    while (players.length < PLAYERS)
      players.push(await retried(() => Player.joinById(url, first.room.roomId)));
    for (const player of players) {
      player.room.reconnection.enabled = false;
      player.play(20);
    }
    await until(() => players.every((player) => player.ticks.length > 0), 'the room to tick');
    return players;
  }

  private pidOf(victim: Victim, source: HostInfo, target: HostInfo): number {
    if (victim === 'source') return source.pid;
    if (victim === 'target') return target.pid;
    if (victim === 'store' && this.redis) return this.redis.pid;
    return this.service!.process.pid!;
  }

  private async mend(fault: FaultCase, pid: number): Promise<void> {
    if (fault.blow === 'SIGSTOP') {
      await sleep(STOPPED_MS);
      kill(pid, 'SIGCONT');
    } else if (fault.victim === 'store' && this.redis) {
      await sleep(1_000);
      await this.redis.stop();
      await this.redis.start();
    }
  }

  /** Every player is answered, or every player is told that it is over; within bounds. */
  private async fate(players: Player[], roomId: string): Promise<'lives' | 'gone'> {
    const answers = players.map(() => false);
    players.forEach(({ room }, i) => {
      room.onMessage('who', () => {
        answers[i] = true;
      });
      room.send('who');
    });
    await until(
      () => players.every((player) => player.leaves.length > 0) || answers.every(Boolean),
      `an end for every player of ${roomId}`,
      VERDICT_MS,
    ).catch((error) => {
      const seen = players.map((p, i) => ({
        answered: answers[i],
        leaves: p.leaves,
        pongs: `${p.pongs.length}/${p.sent}`,
      }));
      for (const player of players) player.rest();
      throw new Error(`${error.message}: a client hangs ${JSON.stringify(seen)}`);
    });
    for (const player of players) player.rest();
    return answers.every(Boolean) && players.every((p) => p.leaves.length === 0) ? 'lives' : 'gone';
  }

  private async judgeLiving(
    players: Player[],
    roomId: string,
    fault: FaultCase,
    hosts: { source: HostInfo; target: HostInfo },
  ): Promise<string> {
    const [first] = players;
    if (fault.victim === 'supervisor') {
      // hosts do not only outlive it for a moment
      const later = first!.ticks.length + 150;
      for (const player of players) player.play(20);
      await until(() => first!.ticks.length >= later, 'the room to go on without a supervisor');
      for (const player of players) player.rest();
    }
    await until(() => players.every((p) => p.pongs.length >= p.sent), 'every answer').catch(() => {});
    const complaints = players.flatMap((p) => p.complaints());
    if (complaints.length > 0) throw new Error(`players lost something: ${complaints.join('; ')}`);
    let mine = '';
    const theirs = await first!.ask<string>('state?', null, 'state!', () => {
      mine = JSON.stringify(first!.room.state);
    });
    if (JSON.stringify(JSON.parse(theirs)) !== JSON.stringify(JSON.parse(mine))) {
      throw new Error(`the state differs: ${mine} there ${theirs}`);
    }
    const pid = await first!.ask<number>('who', null, 'who');
    this.judgeRuns(roomId);
    const where =
      pid === hosts.source.pid ? 'source' : pid === hosts.target.pid ? 'target' : `process ${pid}`;
    if (this.storeIsBack(fault)) {
      await until(() => this.listedOnce(roomId), `one listing of ${roomId}`, CALM_MS);
      const late = await retried(() => Player.joinById(this.service!.url, roomId));
      await late.ask('who', null, 'who');
      await late.leave();
      // the registry and the host that runs it agree: it can move
      await retried(() => this.moveAway(roomId));
      await first!.ask('who', null, 'who');
    }
    await this.parted(players);
    return `runs on at the ${where}`;
  }

  /** Who leaves is let go, store or no store. */
  private async parted(players: Player[]): Promise<void> {
    for (const player of players) void player.leave();
    await until(() => players.every((player) => player.leaves.length > 0), 'every player to be let go');
  }

  /** The room is shown by one host only and its row is that host's. */
  private async listedOnce(roomId: string): Promise<boolean> {
    try {
      const shown = (await this.rooms()).filter((r) => r.roomId === roomId);
      const rows = await this.api<{ roomId: string }[]>('GET', '/listing');
      // a source that waits for its target's word has the room at an epoch that is over; its ticks show that it is still
      const epochs = new Set(shown.map(({ epoch }) => epoch));
      if (epochs.size < shown.length) throw new Error(`${roomId} runs twice: ${JSON.stringify(shown)}`);
      return shown.length === 1 && rows.filter((r) => r.roomId === roomId).length === 1;
    } catch (error) {
      if (/runs twice/.test((error as Error).message)) throw error;
      return false;
    }
  }

  private async judgeGone(roomId: string, fault: FaultCase): Promise<void> {
    if (!this.storeIsBack(fault)) return;
    await until(
      async () => {
        const rows = await this.api<{ roomId: string }[]>('GET', '/listing').catch(() => undefined);
        const shown = await this.rooms().catch(() => undefined);
        return (
          rows?.every((r) => r.roomId !== roomId) === true &&
          shown?.every((r) => r.roomId !== roomId) === true
        );
      },
      `${roomId} to leave the listings`,
      LISTING_MS,
    );
  }

  private judgeRuns(roomId: string): void {
    ranInOnePlaceAtATime(path.join(this.dir, `${roomId}.runs`));
  }

  private async judgeAftermath(service: Service, fault: FaultCase, before: HostInfo[]): Promise<void> {
    if (this.storeIsBack(fault)) {
      if (fault.victim === 'supervisor') await this.exercise();
      else {
        await until(
          async () => (await this.hosts().catch(() => [])).filter((h) => h.state === 'up').length === 2,
          'two hosts',
          RECOVERY_MS,
        );
        await this.exercise();
      }
      await this.nobodyCounted();
      for (const { pid } of await this.hosts()) await noLeak(pid, service.port, this.descriptors);
    } else {
      // the embedded store is gone with its supervisor: hosts end once nobody plays
      await until(
        () => before.every(({ pid }) => !fs.existsSync(`/proc/${pid}`)),
        'empty hosts to end',
        15_000,
      );
    }
    const violations = path.join(this.dir, 'violations');
    if (fs.existsSync(violations)) throw new Error(fs.readFileSync(violations, 'utf8').slice(0, 500));
  }

  /** What hosts count and what they told the others; the dead ones are in neither. */
  private async nobodyCounted(): Promise<void> {
    let stats: { processId: string; ccu: number }[] | undefined;
    await until(async () => {
      stats = await this.api<typeof stats>('GET', '/stats').catch(() => undefined);
      return stats?.every(({ ccu }) => ccu === 0) === true;
    }, 'nobody counted as connected').catch(async (error) => {
      throw new Error(`${error.message}: ${JSON.stringify({ stats, hosts: await this.hosts() })}`);
    });
  }

  private storeIsBack(fault: FaultCase): boolean {
    if (this.kind === 'redis') return true;
    return fault.victim !== 'supervisor' && !(fault.victim === 'store' && fault.blow === 'SIGKILL');
  }

  /** A new room is made, moves there and back, and ends. */
  private async exercise(): Promise<void> {
    await until(
      async () => {
        let player: Player | undefined;
        try {
          player = await Player.join(this.service!.url, 'faulty', {}, 'create');
          player.room.reconnection.enabled = false;
          const { roomId } = player.room;
          for (let i = 0; i < 2; i++) await this.moveAway(roomId);
          player.ping();
          await player.ask('who', null, 'who');
          return player.complaints().length === 0;
        } catch (error) {
          this.lastError = error as Error;
          await sleep(100);
          return false;
        } finally {
          await player?.leave();
        }
      },
      'a new room that moves',
      RECOVERY_MS,
    ).catch((error) => {
      throw new Error(`${error.message}: ${this.lastError?.message}`);
    });
  }

  private lastError: Error | undefined;
  private closing: Promise<void> | undefined;

  private async moveAway(roomId: string): Promise<void> {
    const room = (await this.rooms()).find((r) => r.roomId === roomId);
    const other = (await this.hosts()).find((host) => host.id !== room?.host && host.state === 'up');
    if (!room || !other) throw new Error(`${roomId} cannot move: ${JSON.stringify({ room, other })}`);
    await this.api('POST', `/v1/rooms/${roomId}/migrate`, { to: other.id });
  }

  private async hosts(): Promise<HostInfo[]> {
    const { hosts } = await this.api<{ hosts: HostInfo[] }>('GET', '/v1/hosts');
    for (const { pid } of hosts) this.pids.add(pid);
    return hosts;
  }

  private async rooms(): Promise<RoomInfo[]> {
    return (await this.api<{ rooms: RoomInfo[] }>('GET', '/v1/rooms?limit=1000')).rooms;
  }

  private api<T>(method: string, route: string, body?: unknown, timeout?: number): Promise<T> {
    return callOnce<T>(this.service!, method, route, body, timeout);
  }
}
