import { describe, expect, test } from '@jest/globals';
import { PADDLE, Pong, type Said, TABLE, WINNING } from '../../examples/arena/web/pong.ts';

const STEP = 1 / 120;

/** Two players whose messages arrive `delay` steps later, in order. */
function table(delay: number) {
  const inbox: { at: number; to: 0 | 1; said: Said }[] = [];
  let now = 0;
  const say =
    (to: 0 | 1) =>
    (...said: Said) =>
      inbox.push({ at: now + delay, to, said: structuredClone(said) });
  const players = [new Pong(say(1)), new Pong(say(0))] as const;
  players[0].begin(true);
  players[1].begin(false);
  const deliver = () => {
    while (inbox.length > 0 && inbox[0]!.at <= now) {
      const { to, said } = inbox.shift()!;
      players[to].hear(...said);
    }
  };
  const play = (seconds: number, until: () => boolean = () => false) => {
    for (const end = now + seconds / STEP; now < end && !until(); now++) {
      deliver();
      for (const player of players) if (!player.over) player.advance(STEP);
    }
  };
  return { players, play };
}

describe('a duel without a server', () => {
  test.each([0, 12])('both players hold the same score at the end, messages %i steps late', (delay) => {
    const { players, play } = table(delay);
    const [left, right] = players;
    left.autopilot = true;
    right.goal = 0;
    play(600, () => left.over && right.over);
    expect(left.over).toBe(true);
    expect(left.score).toEqual({ mine: right.score.theirs, theirs: right.score.mine });
    expect(Math.max(left.score.mine, left.score.theirs)).toBe(WINNING);
  });

  test('a returned ball is where the other player sees it, mirrored', () => {
    const { players, play } = table(0);
    const [left, right] = players;
    left.autopilot = right.autopilot = true;
    play(60, () => left.rally >= 3 && right.rally === left.rally && left.ball !== undefined);
    expect(left.rally).toBeGreaterThanOrEqual(3);
    expect(left.ball!.y).toBeCloseTo(right.ball!.y, 0);
    expect(left.ball!.x + right.ball!.x).toBeCloseTo(TABLE.width, -1);
  });

  test('while the other player is silent the ball waits at his paddle', () => {
    const { players, play } = table(Number.POSITIVE_INFINITY);
    play(10);
    expect(players[0].ball!.x).toBeLessThanOrEqual(TABLE.width - PADDLE.x);
    expect(players[0].ball!.vx).toBeGreaterThan(0);
    expect(players[0].score).toEqual({ mine: 0, theirs: 0 });
  });

  test.each([
    ['one asks', [1]],
    ['the other asks', [0]],
    ['both ask at once', [0, 1]],
  ])('when %s for another game, one begins', (_case, asking) => {
    const { players, play } = table(6);
    const [left, right] = players;
    left.autopilot = true;
    right.goal = 0;
    play(600, () => left.over && right.over);
    for (const index of asking) players[index]!.again();
    play(1, () => !left.over && !right.over);
    expect([left.over, right.over]).toEqual([false, false]);
    play(30, () => left.score.mine + left.score.theirs > 0);
    expect(left.score.mine + left.score.theirs).toBe(1);
  });
});
