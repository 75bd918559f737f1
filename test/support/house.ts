// A service whose rooms can be looked into from outside and whose hosts write down what happens.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type MoveInfo, Service } from './service.ts';

export interface Note {
  what: string;
  roomId: string;
  more: any;
  pid: number;
}

export class House {
  readonly service: Service;
  private readonly file: string;

  private constructor(service: Service, file: string) {
    this.service = service;
    this.file = file;
  }

  static async start(app: string, options: { redis?: string } = {}): Promise<House> {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-notes-'));
    const file = path.join(dir, 'notes');
    fs.writeFileSync(file, '');
    return new House(await Service.start(app, { ...options, env: { BATON_NOTES: file } }), file);
  }

  async stop(): Promise<void> {
    await this.service.stop();
    fs.rmSync(path.dirname(this.file), { recursive: true, force: true });
  }

  get url(): string {
    return this.service.url;
  }

  /** A room without any client. */
  async create(name: string, options: object = {}): Promise<string> {
    const { value } = await this.post(`/create/${name}`, options);
    return (value as { roomId: string }).roomId;
  }

  /** Calls a method of the room through whichever host answers. @throws what it throws */
  async call<T = any>(roomId: string, method: string, ...args: unknown[]): Promise<T> {
    return (await this.post(`/room/${roomId}/${method}`, args)).value as T;
  }

  /** What is at `path` (`a.b.c`) in the room. */
  at<T = any>(roomId: string, path: string): Promise<T> {
    return this.call(roomId, 'at', path);
  }

  publish(topic: string, message: unknown): Promise<unknown> {
    return this.post(`/publish/${topic}`, { message });
  }

  async listing(roomId: string): Promise<any[]> {
    return (await this.get(`/listing/${roomId}`)) as any[];
  }

  async stats(): Promise<{ processId: string; roomCount: number; ccu: number }[]> {
    return (await this.get('/stats')) as any;
  }

  /** There and back, `moves` times in all. */
  async move(roomId: string, moves = 1): Promise<MoveInfo[]> {
    const done: MoveInfo[] = [];
    while (done.length < moves) done.push(await this.service.moveAway(roomId));
    return done;
  }

  notes(roomId?: string, ...whats: string[]): Note[] {
    return fs
      .readFileSync(this.file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Note)
      .filter((n) => roomId === undefined || n.roomId === roomId)
      .filter((n) => whats.length === 0 || whats.includes(n.what));
  }

  private async get(route: string): Promise<unknown> {
    return ((await (await fetch(`${this.url}${route}`)).json()) as { value: unknown }).value;
  }

  private async post(route: string, body: unknown): Promise<{ value: unknown; pid: number }> {
    const response = await fetch(`${this.url}${route}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', connection: 'close' }, // any host may answer
    });
    const answer = (await response.json()) as { value: unknown; pid: number; error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }
}

/** Real time must go by: what is tested is how long something has left. */
export const passes = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
