import { clamp } from '../room/world.ts';

/** The table as each player sees it: his own paddle on the left. */
export const TABLE = { width: 1000, height: 560 };
export const PADDLE = { x: 34, width: 14, height: 104 };
export const BALL = 11;
export const WINNING = 7;

const SERVE_SPEED = 520;
const FASTER = 1.09;
const FASTEST = 1_250;
const SERVE_MS = 900;
const PADDLE_SPEED = 760;

export interface Ball {
  x: number;
  y: number;
  vx: number;
  vy: number;
}

export interface Score {
  mine: number;
  theirs: number;
}

/** What a player tells the other; everything from the sender's point of view. */
export type Said = ['ball', Ball] | ['score', Score] | ['paddle', number] | ['again'];

/**
 * One player's half of a game in which nobody is the server. Each side decides about the ball that comes towards it
 * and tells the other: returned, or missed. Both hold the same game because what is said arrives once and in order.
 */
export class Pong {
  ball: Ball | undefined;
  score: Score = { mine: 0, theirs: 0 };
  paddle = TABLE.height / 2;
  theirPaddle = TABLE.height / 2;
  rally = 0;
  /** Where the player wants his paddle, and whether it should play by itself. */
  goal: number | undefined;
  autopilot = false;
  /** Set when something worth a flash happened: x, y and how strong. */
  hit: { x: number; y: number } | undefined;
  private readonly say: (...said: Said) => void;
  private serves = false;
  private serveIn: number | undefined;
  private theirGoal = TABLE.height / 2;
  private slip = 0;

  constructor(say: (...said: Said) => void) {
    this.say = say;
  }

  get over(): boolean {
    return Math.max(this.score.mine, this.score.theirs) >= WINNING;
  }

  /** @param serves whether this side serves first, in this game and in those that follow */
  begin(serves = this.serves): void {
    this.serves = serves;
    this.score = { mine: 0, theirs: 0 };
    this.ball = undefined;
    this.rally = 0;
    this.serveIn = serves ? SERVE_MS : undefined;
  }

  hear(...said: Said): void {
    if (said[0] === 'paddle') this.theirGoal = said[1];
    if (said[0] === 'ball') {
      const { x, y, vx, vy } = said[1];
      this.ball = { x: TABLE.width - x, y, vx: -vx, vy };
      this.serveIn = undefined;
      this.returned(this.ball);
    }
    if (said[0] === 'score') {
      this.score = { mine: said[1].theirs, theirs: said[1].mine };
      this.point();
    }
    // Both may ask at once; the second time there is nothing left to begin.
    if (said[0] === 'again' && this.over) this.begin();
  }

  /** Starts another game. */
  again(): void {
    this.say('again');
    this.begin();
  }

  /** @param dt seconds */
  advance(dt: number): void {
    this.movePaddles(dt);
    if (this.serveIn !== undefined) {
      this.serveIn -= dt * 1000;
      if (this.serveIn <= 0) this.serve();
    }
    const { ball } = this;
    if (!ball) return;
    ball.x += ball.vx * dt;
    ball.y += ball.vy * dt;
    if (ball.y < BALL || ball.y > TABLE.height - BALL) {
      ball.y = clamp(ball.y, BALL, TABLE.height - BALL);
      ball.vy = ball.y <= BALL ? Math.abs(ball.vy) : -Math.abs(ball.vy);
    }
    if (ball.vx < 0) this.receive(ball);
    // On the far side the other player decides; until he has, the ball stands at his paddle.
    else ball.x = Math.min(ball.x, TABLE.width - PADDLE.x - PADDLE.width / 2 - BALL);
  }

  private movePaddles(dt: number): void {
    if (this.autopilot)
      this.goal = this.ball && this.ball.vx < 0 ? this.ball.y + this.slip : TABLE.height / 2;
    const half = PADDLE.height / 2;
    if (this.goal !== undefined) {
      const goal = clamp(this.goal, half, TABLE.height - half);
      const step = PADDLE_SPEED * dt * (this.autopilot ? 0.8 : 2.4);
      this.paddle += clamp(goal - this.paddle, -step, step);
    }
    this.theirPaddle += (this.theirGoal - this.theirPaddle) * (1 - Math.exp(-28 * dt));
  }

  private serve(): void {
    this.serveIn = undefined;
    const angle = (Math.random() - 0.5) * 0.9;
    this.ball = {
      x: PADDLE.x + PADDLE.width / 2 + BALL + 1,
      y: this.paddle,
      vx: Math.cos(angle) * SERVE_SPEED,
      vy: Math.sin(angle) * SERVE_SPEED,
    };
    this.say('ball', { ...this.ball });
  }

  private receive(ball: Ball): void {
    const front = PADDLE.x + PADDLE.width / 2 + BALL;
    const off = (ball.y - this.paddle) / (PADDLE.height / 2 + BALL);
    if (ball.x <= front && ball.x > front - 42 && Math.abs(off) <= 1) {
      const speed = Math.min(Math.hypot(ball.vx, ball.vy) * FASTER, FASTEST);
      const angle = off * 0.95;
      Object.assign(ball, { x: front, vx: Math.cos(angle) * speed, vy: Math.sin(angle) * speed });
      this.returned(ball);
      this.say('ball', { ...ball });
    } else if (ball.x < -3 * BALL) {
      this.score = { mine: this.score.mine, theirs: this.score.theirs + 1 };
      this.say('score', { ...this.score });
      this.point();
      if (!this.over) this.serveIn = SERVE_MS;
    }
  }

  private returned(ball: Ball): void {
    this.rally++;
    this.hit = { x: ball.x, y: ball.y };
    // The autopilot errs a little, and more as the ball gets faster; otherwise two of them play for ever.
    this.slip = (Math.random() - 0.5) * PADDLE.height * (0.7 + Math.hypot(ball.vx, ball.vy) / 1_000);
  }

  private point(): void {
    this.ball = undefined;
    this.rally = 0;
  }
}
