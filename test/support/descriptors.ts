// Open descriptors of another process, from /proc: what a move left behind.
import fs from 'node:fs';

const CLOSE_WAIT = '08';

/**
 * @returns the descriptors other than living connections of the service's port (an HTTP client may keep some), and
 *   those connections of the port whose client is gone
 */
export function descriptorsOf(pid: number, port: number): { others: number; dead: number } {
  const states = new Map<string, { port: number; state: string }>();
  for (const family of ['tcp', 'tcp6']) {
    for (const line of fs.readFileSync(`/proc/net/${family}`, 'utf8').trim().split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      states.set(fields[9]!, { port: Number.parseInt(fields[1]!.split(':')[1]!, 16), state: fields[3]! });
    }
  }
  const unix = new Set(
    fs
      .readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[6]),
  );
  let others = 0;
  let dead = 0;
  for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
    let link: string;
    try {
      link = fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      continue; // closed meanwhile
    }
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    const socket = inode === undefined ? undefined : states.get(inode);
    if (inode !== undefined && !socket && !unix.has(inode)) dead++;
    else if (socket?.port === port && socket.state === CLOSE_WAIT) dead++;
    else if (socket?.port !== port) others++;
  }
  return { others, dead };
}
