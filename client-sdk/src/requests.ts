// Requests to a mapping's function that wait for their answers.
import { abortedBy, clientError, SocketError } from './errors.ts';
import type { ServiceEvent } from './wire.ts';

interface Pending {
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

export class Requests {
  private readonly pending = new Map<number, Pending>();
  private last = 0;
  /** The next message is the answer to this one. */
  private answering: number | undefined;

  /**
   * @param send sends it under its number; @returns what takes it back while it was not sent
   * @param signal gives up waiting
   */
  make(
    send: (id: number) => () => void,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortedBy(signal));
        return;
      }
      const id = ++this.last;
      const withdraw = send(id);
      const giveUp = (why: unknown) => {
        withdraw();
        this.settle(id)?.reject(why);
      };
      const abort = () => giveUp(abortedBy(signal!));
      const timer = setTimeout(
        () => giveUp(clientError('BATON_REQUEST_TIMEOUT', { ms: timeoutMs })),
        timeoutMs,
      );
      signal?.addEventListener('abort', abort);
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      this.pending.set(id, {
        resolve: (answer) => {
          done();
          resolve(answer);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
    });
  }

  /** The service answers one: at once, or with the next message. */
  replied({ to, error, empty }: ServiceEvent): void {
    const id = to as number;
    if (error) {
      const { code, message } = error as { code: string; message: string };
      this.settle(id)?.reject(new SocketError(code, message));
    } else if (empty) this.settle(id)?.resolve(undefined);
    else this.answering = id;
  }

  /** @returns whether the message is an answer, rather than data */
  take(data: () => unknown): boolean {
    const id = this.answering;
    if (id === undefined) return false;
    this.answering = undefined;
    const pending = this.settle(id); // nobody, where it came too late
    try {
      pending?.resolve(data());
    } catch (error) {
      pending?.reject(error);
    }
    return true;
  }

  /** None will be answered any more. */
  end(): void {
    for (const id of [...this.pending.keys()]) this.settle(id)!.reject(clientError('BATON_CLOSED'));
  }

  private settle(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }
}
