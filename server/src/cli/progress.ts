const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * Runs `work` and meanwhile shows on a terminal what it does and for how long, on standard error.
 * @param note asked once a second for how far the work is
 */
export async function withProgress<T>(
  text: string,
  work: Promise<T>,
  note?: () => Promise<string>,
): Promise<T> {
  const out = process.stderr;
  if (!out.isTTY) return await work;
  const started = Date.now();
  let frame = 0;
  let latest = '';
  let asking = false;
  const ask = async () => {
    if (asking || note === undefined) return;
    asking = true;
    latest = await note().catch(() => latest);
    asking = false;
  };
  const timer = setInterval(() => {
    frame++;
    if (frame % 10 === 1) void ask();
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    out.write(`\r\u001b[K${frames[frame % frames.length]} ${text} ${latest} ${seconds} s`);
  }, 100);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    out.write('\r\u001b[K');
  }
}
