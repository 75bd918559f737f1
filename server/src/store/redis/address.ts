import { invalidOption } from '../../errors.ts';

/** Where a Redis is, taken apart from its URL. */
export interface RedisAddress {
  host: string;
  port: number;
  tls: boolean;
  username?: string;
  password?: string;
  /** Number of the database. */
  db: number;
  /** The URL without user name and password: for logs and errors. */
  safe: string;
}

/**
 * @param url `redis[s]://[user][:password]@host[:port][/db]`
 * @throws BATON_INVALID_OPTION, without the URL in it: what is malformed may hold a password
 */
export function parseAddress(url: string): RedisAddress {
  const bad = (reason: string) => invalidOption({ option: 'redis URL', reason });
  const parsed = URL.parse(url);
  if (!parsed) throw bad('not a URL; expected redis://host:port');
  const { protocol, hostname, port, pathname } = parsed;
  if (protocol !== 'redis:' && protocol !== 'rediss:') {
    throw bad('does not start with redis:// or rediss://');
  }
  if (!/^\/?\d*$/.test(pathname)) throw bad('its path is no database number');
  const host = hostname.replace(/^\[|\]$/g, '') || 'localhost';
  const db = Number(pathname.slice(1) || 0);
  return {
    host,
    port: Number(port || 6379),
    tls: protocol === 'rediss:',
    username: decode(parsed.username),
    password: decode(parsed.password),
    db,
    safe: `${protocol}//${hostname || 'localhost'}:${port || 6379}${db > 0 ? `/${db}` : ''}`,
  };
}

function decode(part: string): string | undefined {
  if (part === '') return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
