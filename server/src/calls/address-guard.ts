// Where endpoints may be: a studio's URL must not make the service speak to the operator's own network. Checked on the
// text of a URL when a mapping is registered, and on the address itself when a connection is made, so that a name that
// resolves to another address by then gains nothing.

import dns from 'node:dns';
import net from 'node:net';
import { buildConnector } from 'undici';
import { AddressRanges, unmapped } from '../address-ranges.ts';
import { endpointForbidden } from '../errors.ts';

/** IANA's special-purpose IPv4 addresses (RFC 6890 and its registry), multicast and reserved ones. */
const SPECIAL_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
/** Of IPv6 only global unicast is spoken to, without its own special-purpose blocks. */
const GLOBAL_V6 = '2000::/3';
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const special = new AddressRanges([...SPECIAL_V4, ...SPECIAL_V6]);
const globalV6 = new AddressRanges([GLOBAL_V6]);

export class AddressGuard {
  private readonly allowed: AddressRanges;

  /** @param allowed CIDR ranges that endpoints may be in although they are special, `127.0.0.0/8` for example */
  constructor(allowed: readonly string[] = []) {
    this.allowed = new AddressRanges(allowed);
  }

  /** Whether endpoints may be at an IP address. Anything else than an address is not. */
  permits(address: string): boolean {
    const family = net.isIP(unmapped(address));
    if (family === 0) return false;
    if (this.allowed.has(address)) return true;
    if (special.has(address)) return false;
    return family === 4 || globalV6.has(address);
  }

  /**
   * What can be said of a URL without asking the DNS. URL knows every spelling of an address (`0x7f.1`, `2130706433`).
   * @throws endpointForbidden
   */
  checkUrl(url: string): void {
    const { hostname, protocol, username, password } = new URL(url);
    const refuse = (reason: string) => {
      throw endpointForbidden({ url: `${protocol}//${hostname}`, reason });
    };
    if (protocol !== 'https:' && protocol !== 'http:') refuse('only http and https endpoints are called');
    if (username || password) refuse('a URL must not carry a user or password');
    const literal = hostname.replace(/^\[|\]$/g, '');
    if (net.isIP(literal) && !this.permits(literal)) refuse(`${literal} is not a public address`);
    if (!net.isIP(literal) && LOCAL_NAME.test(literal) && !this.permits('127.0.0.1')) {
      refuse(`${literal} is a name of this machine`);
    }
  }

  /** A connector for undici that connects to permitted addresses only: the very one that was looked up. */
  connector(options: buildConnector.BuildOptions = {}): buildConnector.connector {
    const connect = buildConnector({ ...options, lookup: (...args) => this.lookup(...args) });
    return (target, callback) => {
      const literal = target.hostname.replace(/^\[|\]$/g, '');
      // A literal address is never looked up.
      if (net.isIP(literal) && !this.permits(literal)) {
        callback(forbidden(literal, literal), null);
        return;
      }
      connect(target, callback);
    };
  }

  private lookup(
    hostname: string,
    options: dns.LookupOptions,
    callback: (error: Error | null, address: any, family?: number) => void,
  ): void {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0);
      // One that points at both is after something.
      const bad = addresses.find(({ address }) => !this.permits(address));
      if (bad) return callback(forbidden(hostname, bad.address), '', 0);
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  }
}

const LOCAL_NAME = /^(?:localhost|.*\.localhost|.*\.local|.*\.internal)\.?$/i;

const forbidden = (host: string, address: string) =>
  endpointForbidden({ url: host, reason: `${address} is not a public address` });
