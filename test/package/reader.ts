// Somebody who does what a page says, block by block, in a home folder of their own.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Block, blocksOf, root } from '../docs/markdown.ts';

const run = promisify(execFile);

export class Reader {
  /** Where commands are given; a `cd` of the page is followed. */
  cwd = root;
  private readonly blocks: Block[];
  private readonly env: NodeJS.ProcessEnv;
  private running: { child: ChildProcess; ended: Promise<void> } | undefined;
  /** What the program in the foreground has written. */
  output = '';

  constructor(page: string, home: string, env: NodeJS.ProcessEnv) {
    this.blocks = blocksOf(page).filter(({ info }) => info !== 'mermaid');
    const userConfig = join(homedir(), '.npmrc');
    this.env = {
      ...process.env,
      ...env,
      HOME: home,
      // Packages that were downloaded once are enough.
      npm_config_cache: process.env['npm_config_cache'] ?? join(homedir(), '.npm'),
      npm_config_prefer_offline: 'true',
      ...(existsSync(userConfig) ? { npm_config_userconfig: userConfig } : {}),
      NODE_OPTIONS: '',
    };
  }

  get left(): number {
    return this.blocks.length;
  }

  /**
   * Gives the commands of the next block, up to `npm start`, which is left running.
   * @param but commands that are left out
   * @returns what they wrote
   */
  async does(...but: string[]): Promise<string> {
    const lines = this.next('sh').split('\n').filter(Boolean);
    const commands = lines.filter((line) => !but.includes(line) && line !== 'npm start');
    const script = [...commands, 'echo "cwd $PWD"'].join('\n');
    const { stdout } = await run('bash', ['-ec', script], { cwd: this.cwd, env: this.env });
    this.cwd = /^cwd (.*)$/m.exec(stdout.slice(stdout.lastIndexOf('cwd ')))![1]!;
    if (lines.includes('npm start')) this.start();
    return stdout;
  }

  /** Writes the next block into the file that its first line names. */
  writes(): void {
    const text = this.next('ts');
    writeFileSync(join(this.cwd, /^\/\/ (\S+)$/m.exec(text)![1]!), text);
  }

  /** Ctrl-C, or the end of the terminal; resolves when all that `npm start` began has ended. */
  async interrupts(signal: 'SIGINT' | 'SIGHUP' = 'SIGINT'): Promise<void> {
    if (!this.running) return;
    process.kill(-this.running.child.pid!, signal);
    await this.running.ended;
    this.running = undefined;
  }

  private next(info: string): string {
    const block = this.blocks.shift();
    if (block?.info !== info) throw new Error(`expected ${info}, found ${JSON.stringify(block)}`);
    return block.text;
  }

  private start(): void {
    const child = spawn('npm', ['start'], {
      cwd: this.cwd,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => (this.output += text));
    // Closes when the last process that writes there has ended.
    this.running = { child, ended: new Promise((resolve) => child.once('close', () => resolve())) };
  }
}
