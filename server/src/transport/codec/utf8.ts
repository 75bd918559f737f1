// Validation of UTF-8 that arrives in pieces (RFC 3629 §4), for text that is not in one chunk (RFC 6455 §8.1).

/** State between two pieces: how many continuation bytes are due, and the range of the next one. */
export type Utf8State = [due: number, low: number, high: number];

const BETWEEN: Readonly<Utf8State> = [0, 0x80, 0xbf];

/** Validator that can be cut between any two bytes. */
export class Utf8Check {
  private due: number;
  private low: number;
  private high: number;

  constructor(state: Readonly<Utf8State> = BETWEEN) {
    [this.due, this.low, this.high] = state;
  }

  /** @returns false as soon as the bytes seen so far cannot begin any valid text */
  push(bytes: Uint8Array, start: number, end: number): boolean {
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      if (this.due === 0) {
        if (byte >= 0x80 && !this.lead(byte)) return false;
      } else {
        if (byte < this.low || byte > this.high) return false;
        this.due--;
        this.low = 0x80;
        this.high = 0xbf;
      }
    }
    return true;
  }

  /** Whether the text may end here, that is, not inside a character. */
  get complete(): boolean {
    return this.due === 0;
  }

  save(): Utf8State {
    return [this.due, this.low, this.high];
  }

  /** The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF. */
  private lead(byte: number): boolean {
    if (byte >= 0xc2 && byte <= 0xdf) {
      this.due = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
      this.due = 2;
      if (byte === 0xe0) this.low = 0xa0;
      else if (byte === 0xed) this.high = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      this.due = 3;
      if (byte === 0xf0) this.low = 0x90;
      else if (byte === 0xf4) this.high = 0x8f;
    } else {
      return false;
    }
    return true;
  }
}
