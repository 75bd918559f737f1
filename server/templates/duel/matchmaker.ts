// Who plays whom. The service calls these functions when a player's socket opens and when it closes.
import { defineFunctions, firstComePairs } from '@baton/functions';

export const matchmaker = defineFunctions(firstComePairs());
