import net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { invalidOption, portInUse } from '../errors.ts';

/** A bound TCP socket nobody accepts on in this process; hosts inherit `fd` and listen on it. */
export interface BoundPort {
  fd: number;
  port: number;
  /** The address it is bound to, `::` or `0.0.0.0` for all. */
  address: string;
  close(): void;
}

interface TcpHandle {
  fd: number;
  getsockname(out: object): number;
  close(): void;
}

type CreateServerHandle = (
  address: string | null,
  port: number,
  addressType: 4 | 6 | undefined,
  fd: number,
  flags: number,
) => TcpHandle | number;

/**
 * Binds the port once for all hosts. The socket stays bound while no host runs, so that connections wait in
 * its accept queue during a restart.
 *
 * `node:cluster` shares sockets through the same function: unlike `server.listen()`, it does not make this
 * process accept connections.
 *
 * @param host IP address; default all addresses, IPv6 included
 * @throws portInUse, invalidOption (no permission, no such address)
 */
export function bindPort(port: number, host?: string): BoundPort {
  const create = (net as unknown as { _createServerHandle: CreateServerHandle })._createServerHandle;
  const family = host === undefined ? 0 : net.isIP(host);
  if (host !== undefined && family === 0)
    throw invalidOption({ option: '--host', reason: `"${host}" is not an IP address` });
  const handle = create(host ?? null, port, family === 0 ? undefined : (family as 4 | 6), -1, 0);
  if (typeof handle === 'number') throw bindError(handle, port, host);
  const bound: { address?: string; port?: number } = {};
  // An address in use shows up here: libuv holds that error of bind(2) back until the socket is used.
  const status = handle.getsockname(bound);
  if (status !== 0) {
    handle.close();
    throw bindError(status, port, host);
  }
  return { fd: handle.fd, port: bound.port!, address: bound.address!, close: () => handle.close() };
}

function bindError(status: number, port: number, host: string | undefined): Error {
  const name = getSystemErrorName(status);
  if (name === 'EADDRINUSE') return portInUse({ port });
  if (name === 'EACCES') {
    return invalidOption({
      option: '--port',
      reason: `this user may not listen on port ${port}; choose one above 1023`,
    });
  }
  if (name === 'EADDRNOTAVAIL')
    return invalidOption({ option: '--host', reason: `${host} is no address of this machine` });
  return invalidOption({ option: '--port', reason: `cannot listen on port ${port}: ${name}` });
}

/** The URL under which this machine reaches the port. */
export function localUrl(address: string, port: number): string {
  if (address === '::' || address === '0.0.0.0') return `http://127.0.0.1:${port}`;
  return `http://${net.isIPv6(address) ? `[${address}]` : address}:${port}`;
}
