// The service's control API as the pages use it: what the buttons do, and who runs a room.

export interface RoomView {
  roomId: string;
  name: string;
  host: string;
  clients: number;
  /** Absent until the room has moved. */
  moves?: number;
  lastBlackoutMs?: number;
}

export interface HostView {
  id: string;
  state: string;
  rooms: number;
}

export interface MigrateResult {
  from: string;
  to: string;
  clients: number;
  blackoutMs: number;
}

export interface DrainResult {
  host: string;
  rooms: number;
  moved: number;
  refused: { roomId: string; reason: string }[];
  seconds: number;
}

export interface ReloadResult {
  generation: number;
  from: string[];
  to: string[];
  rooms: number;
  moved: number;
  seconds: number;
}

const STORED = 'baton-token';

/** The token from `#token=…`, kept for the tab and taken out of the address so that it is not shared with the URL. */
export function controlToken(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) {
    sessionStorage.setItem(STORED, given);
    history.replaceState(null, '', location.pathname + location.search);
  }
  return sessionStorage.getItem(STORED) ?? undefined;
}

/** A relative link that hands the token on to another page of the example. */
export function withToken(page: string, token: string | undefined): string {
  return token ? `${page}#token=${encodeURIComponent(token)}` : page;
}

export class ControlApi {
  private readonly token: string;

  constructor(token: string) {
    this.token = token;
  }

  rooms = () => this.list<RoomView>('rooms');
  hosts = () => this.list<HostView>('hosts');

  async room(roomId: string): Promise<RoomView | undefined> {
    return (await this.rooms()).find((room) => room.roomId === roomId);
  }

  /** Moves a room to the host that is up and holds the fewest rooms. */
  async moveAway(roomId: string): Promise<MigrateResult> {
    const [room, hosts] = await Promise.all([this.room(roomId), this.hosts()]);
    if (!room) throw new Error('The service does not list this room.');
    const [target] = hosts
      .filter(({ id, state }) => state === 'up' && id !== room.host)
      .sort((a, b) => a.rooms - b.rooms);
    if (!target)
      throw new Error(`${room.host} is the only host that takes rooms now. A reload starts new ones.`);
    return this.call('POST', `rooms/${encodeURIComponent(roomId)}/migrate`, { to: target.id });
  }

  drain(host: string): Promise<DrainResult> {
    return this.call('POST', `hosts/${encodeURIComponent(host)}/drain`, {});
  }

  reload(): Promise<ReloadResult> {
    return this.call('POST', 'reload', {});
  }

  private async list<T>(what: 'rooms' | 'hosts'): Promise<T[]> {
    const answer = await this.call<T[] | Record<string, T[]>>('GET', what);
    return Array.isArray(answer) ? answer : (answer[what] ?? []);
  }

  private async call<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const response = await fetch(`/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      // A drain or a reload waits for rooms; a question should not.
      signal: AbortSignal.timeout(method === 'GET' ? 5_000 : 120_000),
    });
    if (response.ok) return (await response.json()) as T;
    const problem = (await response.json().catch(() => ({}))) as { detail?: string; title?: string };
    throw new Error(problem.detail ?? problem.title ?? `The service answered ${response.status}.`);
  }
}
