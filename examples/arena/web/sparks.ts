interface Spark {
  x: number;
  y: number;
  vx: number;
  vy: number;
  left: number;
  life: number;
  size: number;
  color: string;
}

const MOST = 500;

/** Short-lived particles: hits, explosions, muzzle flashes. */
export class Sparks {
  private sparks: Spark[] = [];

  burst(x: number, y: number, color: string, count: number, speed: number, life = 0.45): void {
    for (let i = 0; i < count && this.sparks.length < MOST; i++) {
      const angle = Math.random() * Math.PI * 2;
      const fast = speed * (0.25 + Math.random());
      const left = life * (0.5 + Math.random());
      this.sparks.push({
        x,
        y,
        vx: Math.cos(angle) * fast,
        vy: Math.sin(angle) * fast,
        left,
        life: left,
        size: 1.5 + Math.random() * 2,
        color,
      });
    }
  }

  draw(context: CanvasRenderingContext2D, dt: number): void {
    let kept = 0;
    for (const spark of this.sparks) {
      spark.left -= dt;
      if (spark.left <= 0) continue;
      this.sparks[kept++] = spark;
      spark.x += spark.vx * dt;
      spark.y += spark.vy * dt;
      const drag = Math.exp(-3 * dt);
      spark.vx *= drag;
      spark.vy *= drag;
      context.globalAlpha = spark.left / spark.life;
      context.fillStyle = spark.color;
      context.fillRect(spark.x - spark.size / 2, spark.y - spark.size / 2, spark.size, spark.size);
    }
    this.sparks.length = kept;
    context.globalAlpha = 1;
  }
}
