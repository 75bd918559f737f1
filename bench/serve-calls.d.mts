export function serveCalls(methods: Record<string, (args: any) => unknown>): void;
export const meter: { cpu(): number; memory(): { rss: number; live: number } };
