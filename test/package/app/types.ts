import { BatonTransport } from '@baton/server';

export const transport: InstanceType<typeof BatonTransport> = new BatonTransport({ pingInterval: 1000 });
