// Programs of the operating system that tests drive; test/programs.mjs sees to it that they are there.
const programs = (await import('../programs.mjs' as string)) as {
  findProgram(name: string): string | undefined;
};

/** @throws when it is not installed */
export function findProgram(name: string): string {
  const path = programs.findProgram(name);
  if (!path) throw new Error(`${name} is not installed`);
  return path;
}
