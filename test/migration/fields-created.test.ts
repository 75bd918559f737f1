import { EventEmitter } from 'node:events';
import { Room } from '@colyseus/core';
import { afterEach, describe, expect, test } from '@jest/globals';
import { build, check, closeRooms, move } from './fields-rooms.ts';

afterEach(closeRooms);

describe('over what onCreate built', () => {
  test('functions and accessors stay the target’s own, data is the source’s', () => {
    class Shop extends Room {
      prices: any = {
        sword: 5,
        discount: (p: number) => p / 2,
        get all() {
          return Object.keys(this).length;
        },
      };
      bus = new EventEmitter();
      sold: string[] = [];
      override onCreate() {
        this.bus.on('sold', (what: string) => this.sold.push(what));
      }
    }
    const source = build(Shop);
    const shell = build(Shop);
    const { prices, bus } = shell;
    const { discount } = prices;
    source.prices.sword = 7;
    delete source.prices.nothing;
    source.bus.emit('sold', 'a');
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.prices).toBe(prices);
    expect(prices.discount).toBe(discount);
    expect([prices.sword, prices.all]).toEqual([7, 3]);
    expect(shell.bus).toBe(bus);
    shell.bus.emit('sold', 'b');
    expect(shell.sold).toEqual(['a', 'b']);
  });

  test('what was deleted there is deleted here; with other code, new fields and functions stay', () => {
    class Before extends Room {
      table: any = { a: 1, b: 2 };
      gone: any = 1;
    }
    class After extends Room {
      table: any = { a: 1, b: 2, added: () => 'new' };
      gone: any = 1;
      fresh = 10;
    }
    const source = build(Before);
    delete source.table.a;
    const same = build(Before);
    delete (source as any).gone;
    move(source, same);
    expect(same.table).toEqual({ b: 2 });
    expect('gone' in same).toBe(false);
    const newer = build(After);
    const { problems } = move(source, newer, { sameCode: false });
    expect(problems).toEqual([]);
    expect(newer.fresh).toBe(10);
    expect(newer.table.added()).toBe('new');
    expect('a' in newer.table).toBe(false);
  });

  test('a function that was moved to another field is found where the target has it', () => {
    class Machine extends Room {
      modes: any = { calm: () => 'calm', angry: () => 'angry' };
      mode: any = this.modes.calm;
    }
    const source = build(Machine);
    const shell = build(Machine);
    source.mode = source.modes.angry;
    source.modes = { ...source.modes, list: [source.modes.calm] };
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.mode()).toBe('angry');
    expect(shell.modes.list[0]()).toBe('calm');
  });

  test('frozen tables stay when equal and are replaced when not', () => {
    class Tables extends Room {
      same: any = Object.freeze({ a: 1, deep: Object.freeze([1, 2]) });
      other: any = Object.freeze({ a: 1 });
    }
    const source = build(Tables);
    const shell = build(Tables);
    source.other = Object.freeze({ a: 2 });
    const { same } = shell;
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.same).toBe(same);
    expect(shell.other).toEqual({ a: 2 });
    expect(Object.isFrozen(shell.other)).toBe(true);
  });
});
