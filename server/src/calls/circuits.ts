// Endpoints that fail again and again are left alone for a while, so that sockets do not wait for them in vain.

/** Failures in a row that open the circuit of an endpoint. */
const MAX_FAILURES = 10;
/** While it is open one call is let through this often, to see whether the endpoint is back. */
const OPEN_MS = 5_000;
/** Endpoints with failures that are remembered; the oldest give way. */
const MAX_CIRCUITS = 1_000;

export class Circuits {
  /** Endpoints whose last call failed, by URL. */
  private readonly failing = new Map<string, { failures: number; retryAt: number }>();

  isOpen(url: string, now = performance.now()): boolean {
    const circuit = this.failing.get(url);
    return circuit !== undefined && circuit.failures >= MAX_FAILURES && now < circuit.retryAt;
  }

  /** @returns whether a call may be made now; of those to an endpoint whose circuit is open, the one that looks */
  enter(url: string, now = performance.now()): boolean {
    if (this.isOpen(url, now)) return false;
    const circuit = this.failing.get(url);
    if (circuit) circuit.retryAt = now + OPEN_MS;
    return true;
  }

  succeeded(url: string): void {
    this.failing.delete(url);
  }

  failed(url: string, now = performance.now()): void {
    const circuit = this.failing.get(url) ?? { failures: 0, retryAt: 0 };
    circuit.failures++;
    circuit.retryAt = now + OPEN_MS;
    this.failing.set(url, circuit);
    if (this.failing.size > MAX_CIRCUITS) this.failing.delete(this.failing.keys().next().value!);
  }
}
