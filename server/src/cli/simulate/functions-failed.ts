/** Functions did what they may not do. */
export class FunctionsFailed extends Error {
  override readonly name = 'FunctionsFailed';
  /** Milliseconds of virtual time. */
  readonly at = Date.now();
  /** Whose call it was. */
  readonly socketId: string | undefined;

  constructor(what: string, { socketId, cause }: { socketId?: string; cause?: unknown } = {}) {
    super(`${what} (at ${(Date.now() / 1000).toFixed(3)} s)`, cause === undefined ? undefined : { cause });
    this.socketId = socketId;
  }
}

export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
