// A client in another language: Python and the `websockets` library know nothing of Baton but docs/sockets.md.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findProgram } from '../support/programs.ts';
import { until } from '../support/service.ts';
import { World } from './support.ts';

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures/player.py');

class PythonPlayer {
  readonly heard: any[] = [];
  readonly ended: Promise<number | null>;
  private readonly child: ChildProcess;

  constructor(url: string, name: string) {
    this.child = spawn(findProgram('python3-websockets'), [program, url, name], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.heard.push(JSON.parse(line)));
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
  }

  say(command: 'play' | 'end' | 'leave'): void {
    this.child.stdin!.write(`${command}\n`);
  }

  async event(name: string): Promise<any> {
    await until(() => this.heard.some(({ event }) => event === name), `${name} to be heard`);
    return this.heard.find(({ event }) => event === name);
  }

  get data(): unknown[] {
    return this.heard.filter(({ event }) => event === 'data').map(({ data }) => data);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

let world: World;
const players: PythonPlayer[] = [];

beforeAll(async () => {
  world = await World.start({ hosts: 2 });
}, 60_000);

afterAll(async () => {
  for (const player of players) player.kill();
  await world?.stop();
});

test('two Python players are matched, play, and survive moves and a drain', async () => {
  const url = `${world.service.url.replace(/^http/, 'ws')}/v1/socket/duel`;
  const join = (name: string) => {
    const player = new PythonPlayer(url, name);
    players.push(player);
    return player;
  };
  const one = join('guido');
  const { socketId } = await one.event('open');
  const two = join('barry');
  const other = await two.event('open');
  expect((await one.event('linked')).peers).toEqual([other.socketId]);
  expect((await two.event('linked')).peers).toEqual([socketId]);

  one.say('play');
  two.say('play');
  await until(() => one.data.length > 20 && two.data.length > 20, 'both to hear the other');
  for (let i = 0; i < 3; i++) await world.service.moveAway(socketId);
  const { host } = (await world.service.room(socketId))!;
  await world.service.drain(host);
  const before = one.data.length;
  await until(() => one.data.length > before + 20, 'the game to go on after the drain');
  expect((await world.service.room(socketId))!.host).not.toBe(host);

  one.say('end');
  two.say('end');
  const sent = { one: (await one.event('sent')).count, two: (await two.event('sent')).count };
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
  await until(() => one.data.length >= sent.two && two.data.length >= sent.one, 'all to arrive');
  expect(one.data).toEqual(numbers(sent.two));
  expect(two.data).toEqual(numbers(sent.one));

  one.say('leave');
  expect(await one.ended).toBe(0);
  expect(await two.event('peer-left')).toMatchObject({ peer: socketId });
  two.say('leave');
  expect(await two.ended).toBe(0);
}, 60_000);
