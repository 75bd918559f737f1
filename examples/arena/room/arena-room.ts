import { type Client, Room } from '@colyseus/core';
import { BOT_NAMES, botWish, type Mind, newMind, type Sight, type Wish } from './bots.ts';
import { ArenaState, Bullet, Pickup, Player } from './state.ts';
import { answerState } from './verify.ts';
import * as rules from './world.ts';

/** What the room knows of a ship beyond the shared state; plain data. */
interface Pilot {
  body: rules.Body;
  wish: Wish;
  reloadedAt: number;
  rapidUntil: number;
  shieldUntil: number;
  mind?: Mind;
}

const MAX_BULLETS = 200;
const RECONNECT_SECONDS = 20;
const COLORS = 12;

/** Ships, bullets and a dozen bots at 30 Hz. Nothing in here knows that the room can change process. */
export class ArenaRoom extends Room<{ state: ArenaState }> {
  override maxClients = 128;
  override patchRate = rules.TICK_MS;
  override state = new ArenaState();
  override maxMessagesPerSecond = 300;

  private pilots = new Map<string, Pilot>();
  private nextBullet = 1;
  private seed = 0x9e3779b9;
  private joined = 0;
  /** Last number of the `tick-n` sequence each client was sent. */
  private ticksSent = new Map<string, number>();

  override messages = {
    move: (client: Client, message: unknown) => this.steer(client.sessionId, message),
    shoot: (client: Client, message: unknown) => {
      const pilot = this.pilots.get(client.sessionId);
      if (pilot) pilot.wish.fire = message === true;
    },
    /** Answers a number with the same number, so that a client can tell loss, repetition and disorder. */
    'ping-n': (client: Client, n: unknown) => {
      if (typeof n === 'number') client.send('pong-n', n);
    },
    'state?': (client: Client, n: unknown) =>
      answerState(this, client, n, this.ticksSent.get(client.sessionId) ?? 0),
  };

  override onCreate(options: { seed?: number } = {}) {
    if (Number.isSafeInteger(options.seed)) this.seed = options.seed!;
    for (const spot of rules.PICKUP_SPOTS) this.state.pickups.push(new Pickup().assign(spot));
    for (let i = 0; i < rules.BOTS; i++) this.addShip(`bot-${i + 1}`, BOT_NAMES[i % BOT_NAMES.length]!, true);
    this.setTimestep((ms) => this.step(Math.min(ms, 100)), rules.TICK_MS);
  }

  override onJoin(client: Client, options: { name?: unknown } = {}) {
    const name = typeof options.name === 'string' ? options.name.trim().slice(0, 14) : '';
    this.addShip(client.sessionId, name || `Player ${this.joined + 1 - rules.BOTS}`, false);
  }

  override onDrop(client: Client) {
    const player = this.state.players.get(client.sessionId);
    if (player) player.online = false;
    // Rejects when they do not come back, or went before they had joined.
    this.allowReconnection(client, RECONNECT_SECONDS).catch(() => {});
  }

  override onReconnect(client: Client) {
    const player = this.state.players.get(client.sessionId);
    if (player) player.online = true;
  }

  override onLeave(client: Client) {
    this.state.players.delete(client.sessionId);
    this.state.scores.delete(client.sessionId);
    this.pilots.delete(client.sessionId);
    this.ticksSent.delete(client.sessionId);
    this.crown();
  }

  private addShip(id: string, name: string, bot: boolean) {
    const player = new Player();
    player.name = name;
    player.bot = bot;
    player.color = this.joined++ % COLORS;
    const pilot: Pilot = {
      body: { x: 0, y: 0, vx: 0, vy: 0 },
      wish: { x: 0, y: 0, angle: 0, fire: false },
      reloadedAt: 0,
      rapidUntil: 0,
      shieldUntil: 0,
    };
    if (bot) pilot.mind = newMind(() => this.random());
    this.pilots.set(id, pilot);
    this.place(player, pilot);
    this.state.players.set(id, player);
    this.state.scores.set(id, 0);
  }

  /** Puts a ship where, of some free places, the nearest living one is farthest away. */
  private place(player: Player, pilot: Pilot) {
    let most = -1;
    for (let tries = 0; tries < 24; tries++) {
      const x = rules.SHIP_RADIUS * 3 + this.random() * (rules.WORLD.width - rules.SHIP_RADIUS * 6);
      const y = rules.SHIP_RADIUS * 3 + this.random() * (rules.WORLD.height - rules.SHIP_RADIUS * 6);
      const distance = rules.occupied(x, y) ? 0 : this.nearest(x, y);
      if (distance <= most) continue;
      most = distance;
      Object.assign(pilot.body, { x, y, vx: 0, vy: 0 });
    }
    player.x = pilot.body.x;
    player.y = pilot.body.y;
  }

  private nearest(x: number, y: number): number {
    let least = rules.WORLD.width;
    for (const other of this.state.players.values()) {
      if (other.alive) least = Math.min(least, Math.hypot(other.x - x, other.y - y));
    }
    return least;
  }

  private steer(id: string, message: unknown) {
    const pilot = this.pilots.get(id);
    if (!pilot || !Array.isArray(message)) return;
    const [x, y, angle] = message as unknown[];
    if (!Number.isFinite(x) || !Number.isFinite(y) || !Number.isFinite(angle)) return;
    pilot.wish.x = rules.clamp(x as number, -1, 1);
    pilot.wish.y = rules.clamp(y as number, -1, 1);
    pilot.wish.angle = angle as number;
  }

  private step(ms: number) {
    const now = Math.round(this.clock.elapsedTime);
    this.state.time = now;
    const sight: Sight = {
      time: now,
      players: this.state.players,
      velocityOf: (id) => this.pilots.get(id)!.body,
      activePickup: (index) => this.state.pickups[index]!.active,
      random: () => this.random(),
    };
    for (const [id, player] of this.state.players) {
      const pilot = this.pilots.get(id)!;
      if (!player.alive) continue;
      if (pilot.mind) botWish(id, player, pilot.mind, sight, pilot.wish);
      this.fly(id, player, pilot, now, ms / 1000);
    }
    this.flyBullets(now);
    for (const client of this.clients) {
      const n = (this.ticksSent.get(client.sessionId) ?? 0) + 1;
      this.ticksSent.set(client.sessionId, n);
      client.send('tick-n', n);
    }
  }

  private fly(id: string, player: Player, pilot: Pilot, now: number, dt: number) {
    const { body, wish } = pilot;
    const steered = player.online;
    rules.moveShip(body, steered ? wish.x : 0, steered ? wish.y : 0, dt);
    player.x = body.x;
    player.y = body.y;
    player.angle = wish.angle;
    player.rapid = now < pilot.rapidUntil;
    player.shield = now < pilot.shieldUntil;
    this.collect(player, pilot, now);
    if (steered && wish.fire && now >= pilot.reloadedAt) {
      pilot.reloadedAt = now + (player.rapid ? rules.RAPID_FIRE_MS : rules.FIRE_MS);
      this.shoot(id, player, now);
    }
  }

  private shoot(owner: string, { x, y, angle }: Player, now: number) {
    if (this.state.bullets.length >= MAX_BULLETS) return;
    const dx = Math.cos(angle);
    const dy = Math.sin(angle);
    const muzzle = rules.SHIP_RADIUS + 8;
    this.state.bullets.push(
      new Bullet().assign({
        id: this.nextBullet++,
        owner,
        x: x + dx * muzzle,
        y: y + dy * muzzle,
        vx: dx * rules.BULLET_SPEED,
        vy: dy * rules.BULLET_SPEED,
        born: now,
      }),
    );
  }

  private flyBullets(now: number) {
    const { bullets } = this.state;
    for (let i = bullets.length - 1; i >= 0; i--) {
      if (this.landed(bullets[i]!, now)) bullets.splice(i, 1);
    }
  }

  private landed(bullet: Bullet, now: number): boolean {
    const age = now - bullet.born;
    if (age > rules.BULLET_LIFE_MS) return true;
    const x = bullet.x + (bullet.vx * age) / 1000;
    const y = bullet.y + (bullet.vy * age) / 1000;
    if (rules.blocked(x, y)) return true;
    const reach = rules.SHIP_RADIUS + rules.BULLET_RADIUS;
    for (const [id, player] of this.state.players) {
      if (id === bullet.owner || !player.alive || Math.hypot(player.x - x, player.y - y) > reach) continue;
      if (!player.shield) this.hit(id, player, bullet.owner);
      return true;
    }
    return false;
  }

  private hit(id: string, player: Player, by: string) {
    if (player.hp > rules.DAMAGE) {
      player.hp -= rules.DAMAGE;
      return;
    }
    player.hp = 0;
    player.alive = false;
    player.deaths++;
    this.broadcast('kill', { by, id });
    const killer = this.state.players.get(by);
    if (killer) {
      killer.kills++;
      this.state.scores.set(by, (this.state.scores.get(by) ?? 0) + 1);
      this.crown();
    }
    this.clock.setTimeout(this.respawn.bind(this), rules.RESPAWN_MS, id);
  }

  private crown() {
    let leader = '';
    let best = 0;
    for (const [id, score] of this.state.scores) {
      if (score <= best) continue;
      best = score;
      leader = id;
    }
    this.state.leader = leader;
  }

  private respawn(id: string) {
    const player = this.state.players.get(id);
    const pilot = this.pilots.get(id);
    if (!player || !pilot) return;
    this.place(player, pilot);
    player.hp = 100;
    player.alive = true;
    pilot.shieldUntil = this.clock.elapsedTime + 1200;
  }

  private collect(player: Player, pilot: Pilot, now: number) {
    const reach = rules.SHIP_RADIUS + rules.PICKUP_RADIUS;
    this.state.pickups.forEach((pickup, index) => {
      if (!pickup.active || Math.hypot(pickup.x - player.x, pickup.y - player.y) > reach) return;
      if (pickup.kind === rules.PickupKind.heal) player.hp = Math.min(100, player.hp + 45);
      if (pickup.kind === rules.PickupKind.rapid) pilot.rapidUntil = now + rules.POWER_MS;
      if (pickup.kind === rules.PickupKind.shield) pilot.shieldUntil = now + rules.POWER_MS / 2;
      pickup.active = false;
      this.clock.setTimeout(this.restock.bind(this), rules.PICKUP_MS, index);
    });
  }

  private restock(index: number) {
    this.state.pickups[index]!.active = true;
  }

  /** mulberry32; its whole state is one number, so that it goes on wherever the room goes on. */
  private random(): number {
    this.seed = (this.seed + 0x6d2b79f5) | 0;
    let z = Math.imul(this.seed ^ (this.seed >>> 15), 1 | this.seed);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 4_294_967_296;
  }
}
