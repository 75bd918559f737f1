// Endpoints that fail again and again are left alone for a while, so that sockets do not wait for them in vain.

/** Failures in a row that open the circuit of an endpoint. */
const MAX_FAILURES = 10;
/** While it is open one call is let through this often, to see whether the endpoint is back. */
const OPEN_MS = 5_000;
/** Endpoints with failures that are remembered; the oldest give way. */
const MAX_CIRCUITS = 1_000;

export class Circuits {
  /** Endpoints whose last call failed, by tenant and URL: no tenant can close those of another one. */
  private readonly failing = new Map<string, { failures: number; retryAt: number }>();

  isOpen(tenant: string, url: string, now = performance.now()): boolean {
    const circuit = this.find(tenant, url);
    return circuit !== undefined && circuit.failures >= MAX_FAILURES && now < circuit.retryAt;
  }

  /** @returns whether a call may be made now; of those to an endpoint whose circuit is open, the one that looks */
  enter(tenant: string, url: string, now = performance.now()): boolean {
    const circuit = this.find(tenant, url);
    if (!circuit) return true;
    if (circuit.failures >= MAX_FAILURES && now < circuit.retryAt) return false;
    circuit.retryAt = now + OPEN_MS;
    return true;
  }

  /** How many are open. */
  open(now = performance.now()): number {
    let open = 0;
    for (const { failures, retryAt } of this.failing.values())
      if (failures >= MAX_FAILURES && now < retryAt) open++;
    return open;
  }

  succeeded(tenant: string, url: string): void {
    if (this.failing.size > 0) this.failing.delete(keyOf(tenant, url));
  }

  failed(tenant: string, url: string, now = performance.now()): void {
    const circuit = this.find(tenant, url) ?? { failures: 0, retryAt: 0 };
    circuit.failures++;
    circuit.retryAt = now + OPEN_MS;
    this.failing.set(keyOf(tenant, url), circuit);
    if (this.failing.size > MAX_CIRCUITS) this.failing.delete(this.failing.keys().next().value!);
  }

  /** Most of the time nothing fails. */
  private find(tenant: string, url: string) {
    return this.failing.size === 0 ? undefined : this.failing.get(keyOf(tenant, url));
  }
}

const keyOf = (tenant: string, url: string) => `${tenant} ${url}`;
