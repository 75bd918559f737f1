import type { HostView } from '../control/index.ts';
import { type HostLine, type Supervisor, UsageSampler } from '../supervisor/index.ts';
import type { LogFormat } from '../telemetry/index.ts';
import { LiveView } from './live-view.ts';
import { hostTable } from './operate.ts';
import { ServiceClient } from './service-client.ts';

const refreshMs = 1000;

/** What `baton start` shows: a live view on a terminal, plain lines elsewhere. */
export class Screen {
  readonly format: LogFormat | undefined;
  readonly #json: boolean;
  readonly #view: LiveView | undefined;
  readonly #usage = new UsageSampler();
  #supervisor: Supervisor | undefined;
  #service: ServiceClient | undefined;
  #known = new Map<string, HostView>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { json: boolean; plain: boolean }) {
    this.#json = options.json;
    const terminal = process.stdout.isTTY === true && !options.json;
    this.format = process.env['BATON_LOG_FORMAT'] === undefined && terminal ? 'pretty' : undefined;
    // Hosts write into pipes, and cannot know that their lines end up on a terminal.
    if (this.format !== undefined) process.env['BATON_LOG_FORMAT'] = this.format;
    if (terminal && !options.plain) this.#view = new LiveView(process.stdout);
  }

  /** A whole line, with its line end. */
  log(line: string): void {
    if (this.#view) this.#view.line(line.trimEnd());
    else (this.#json ? process.stderr : process.stdout).write(line);
  }

  hostLine({ label, text }: HostLine): void {
    this.log(`${label} | ${text}\n`);
  }

  open(supervisor: Supervisor): void {
    this.#supervisor = supervisor;
    const { url, port, token, runtimeDir } = supervisor;
    if (this.#json) {
      const hosts = supervisor.hosts().map(({ id }) => id);
      process.stdout.write(`${JSON.stringify({ url, port, pid: process.pid, runtimeDir, hosts })}\n`);
    }
    if (!this.#view) return;
    this.#service = new ServiceClient(url, token);
    this.#timer = setInterval(() => void this.#refresh(), refreshMs);
    void this.#refresh();
  }

  /** The supervisor's hosts changed. */
  changed(): void {
    if (!this.#view || !this.#supervisor) return;
    const { url, restarts } = this.#supervisor;
    const rows = this.#supervisor.hosts().map((host) => {
      const known = this.#known.get(host.id ?? '');
      const usage = host.pid === undefined ? undefined : this.#usage.sample(host.pid);
      return [known, host, usage] as const;
    });
    const views = rows.map(([known, host, usage]) => ({
      ...{ processId: '', machine: '', rooms: 0, clients: 0, ...known },
      ...{ id: host.id ?? '-', pid: host.pid ?? 0, generation: host.generation, startedAt: host.startedAt },
      state: host.state as HostView['state'],
      cpu: usage?.cpu ?? known?.cpu,
      memory: usage?.memory ?? known?.memory,
    }));
    this.#view.show([
      '',
      `Baton at ${url}${restarts > 0 ? `, ${restarts} restarts` : ''}`,
      ...hostTable(views),
    ]);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#view?.close();
  }

  async #refresh(): Promise<void> {
    try {
      const hosts = await this.#service!.hosts();
      this.#known = new Map(hosts.map((host) => [host.id, host]));
    } catch {
      // While no host answers, the last figures stay.
    }
    this.changed();
  }
}
