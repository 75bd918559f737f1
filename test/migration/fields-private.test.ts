import { LobbyRoom, QueueRoom, RelayRoom, Room } from '@colyseus/core';
import { afterEach, describe, expect, test } from '@jest/globals';
import { transformSync } from 'esbuild';
import { inspectRoom, inspectRoomClass } from '../../server/src/migration/fields/index.ts';
import { maskSource, privateFieldsOf } from '../../server/src/migration/fields/private-fields.ts';
import { build, closeRooms } from './fields-rooms.ts';

afterEach(closeRooms);

const fieldsOf = (source: string): string[] => privateFieldsOf(new Function(`return ${source}`)());

describe('private data fields', () => {
  test.each([
    ['class { #a; #b = new Map(); static #c = 1; c = 2 }', ['#a', '#b']],
    ['class { #a = 1\n #b\n m() { return this.#a++ + this.#b } }', ['#a', '#b']],
    [
      'class { #method() {} get #g() { return 1 } set #g(v) {} async #as() {} *#gen() {} static #s() {} async *#ag() {} m() { this.#method(this.#g) } }',
      [],
    ],
    [
      'class { #fn = () => 1; #af = async (a = f(1)) => a; #old = function () {}; m() { return this.#fn() } }',
      [],
    ],
    ['class { #limit = 10; #name = "x"; m() { return this.#limit > 3 ? this.#name : "" } }', []],
    ['class { #limit = 10; m() { this.#limit = 3 } }', ['#limit']],
    ['class { #n = 0; m() { return ++this.#n } }', ['#n']],
    ['class { #n = 0; m() { [this.#n] = [1] } }', ['#n']],
    ['class { #n = 0; m() { return this.#n === 1 || this.#n == 2 || this.#n >= 3 } }', []],
    ['class { static is(v) { return #brand in v } #brand }', ['#brand']],
    ['class { has = (v) => #x in v; #x = this.has }', ['#x']],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    ['class { s = "#no;"; t = `#no; ${"#no"} ${`#no; `}`; r = /#no;[/#]/; /* #no; */ // #no;\n }', []],
    ['class { m() { class Inner { #inner = new Map() } return Inner } }', []],
    ['class extends (class { #base = {} }) { x = 1 }', []],
    ['class { x = { #: 1 } }'.replace('#:', 'a:'), []],
    ['class A{static{((t,v)=>t)(this,"A")}#a=1;#b;#c(){}m(){this.#a+=1}}', ['#a', '#b']],
    ['class { static { } static async = 1; #z = {} }', ['#z']],
    ['class { ["#computed"] = 1; "#quoted" = 2 }', []],
  ])('%s', (source, expected) => {
    expect(fieldsOf(source)).toEqual(expected);
  });

  test('of TypeScript’s own private keyword are ordinary', () => {
    class Room1 extends Room {
      private secret = new Map();
      peek() {
        return this.secret;
      }
    }
    expect(inspectRoomClass(Room1)).toEqual([]);
  });

  test('that esbuild lowered for an old target are found', () => {
    const source =
      'globalThis.made = class Lowered { #seed = 1; #limit = 2; #m() { return this.#seed++ } static #s = 1; go() { return this.#m() + this.#limit } }';
    const { code } = transformSync(source, { target: 'es2020' });
    const klass = new Function('globalThis', `${code}; return globalThis.made`)({});
    expect(privateFieldsOf(klass)).toEqual(expect.arrayContaining(['#seed']));
    expect(privateFieldsOf(klass)).not.toContain('#m');
  });

  test('masking keeps length and line breaks', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    const source = 'a = "x\\"#"; /* #\n */ b = `q${ {c: `#`} }#` / 2; // #\n d = /[/]#/g';
    const masked = maskSource(source);
    expect(masked).toHaveLength(source.length);
    expect(masked.split('\n')).toHaveLength(source.split('\n').length);
    expect(masked).not.toContain('#');
  });
});

describe('rooms', () => {
  class Base extends Room {
    #hidden = new Map();
    peek() {
      return this.#hidden;
    }
  }
  class Arena extends Base {
    #seed = Math.random();
    roll() {
      return (this.#seed *= 2);
    }
  }

  test('name class and field, parents included, Colyseus’ own not', () => {
    expect(inspectRoomClass(Arena)).toEqual([
      { path: 'room.#seed', what: 'private field Arena.#seed', hint: expect.stringContaining('onCacheRoom') },
      { path: 'room.#hidden', what: 'private field Base.#hidden', hint: expect.any(String) },
    ]);
    expect(inspectRoom(build(Arena)).problems.map((p) => p.path)).toEqual(['room.#seed', 'room.#hidden']);
  });

  test('with both hooks carry them by hand', () => {
    class Hooked extends Arena {
      override onCacheRoom() {}
      override onRestoreRoom() {}
    }
    expect(inspectRoomClass(Hooked)).toEqual([]);
  });

  test('that Colyseus brings have none', () => {
    for (const klass of [LobbyRoom, QueueRoom, RelayRoom]) expect(inspectRoomClass(klass)).toEqual([]);
  });

  test('hold instances with private fields: said once for each class', () => {
    class Rng {
      #state = 1;
      next() {
        return this.#state++;
      }
    }
    class Dice extends Room {
      dice = [new Rng(), new Rng()];
    }
    expect(inspectRoom(build(Dice)).problems).toEqual([
      { path: 'room.dice[0]', what: 'private field Rng.#state', hint: expect.stringContaining('toBaton()') },
    ]);
  });
});
