// What is looked at after a fault: who ran a room, what a host still holds, what the control API says.
import fs from 'node:fs';
import http from 'node:http';
import { descriptorsOf } from './descriptors.ts';
import { until } from './service.ts';

/** The supervisor lets a host that was struck again and again wait for up to 15 s; then it starts on a busy machine. */
export const RECOVERY_MS = 45_000;

/**
 * A process that has stopped running the room does not begin again, and no tick is lost or made twice.
 * @param file process and number of every tick, in the order in which they were made
 */
export function ranInOnePlaceAtATime(file: string): void {
  const spells: string[] = [];
  let last = 0;
  for (const line of fs.readFileSync(file, 'utf8').trim().split('\n')) {
    const [pid, tick] = line.split(' ') as [string, string];
    if (spells.at(-1) !== pid) spells.push(pid);
    if (Number(tick) !== last + 1) throw new Error(`the room's tick ${tick} in ${pid} follows ${last}`);
    last = Number(tick);
  }
  if (new Set(spells).size !== spells.length) throw new Error(`the room ran in turns: ${spells.join()}`);
}

/** @param most descriptors beside those of players and HTTP clients */
export async function noLeak(pid: number, port: number, most: number): Promise<void> {
  let now = descriptorsOf(pid, port);
  await until(() => {
    now = descriptorsOf(pid, port);
    return now.dead === 0 && now.others <= most;
  }, 'descriptors back to before').catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(now)} in ${pid}, at most ${most} expected`);
  });
}

/** A connection of its own each time: a kept one may belong to a host that is stopped. */
export function callOnce<T>(
  service: { port: number; token: string },
  method: string,
  route: string,
  body?: unknown,
  timeout = 5_000,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${service.token}`, 'content-type': 'application/json' };
    const options = { port: service.port, method, path: route, headers, agent: false, timeout };
    const request = http.request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', reject).on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${response.statusCode} ${text.slice(0, 300)}`));
      });
    });
    request.on('error', reject).on('timeout', () => request.destroy(new Error(`${route}: no answer`)));
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Joins meet a host that is gone or away for a moment, as those of real players do, who press the button again. */
export async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  const end = Date.now() + RECOVERY_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(100);
    }
  }
}
