/** Sockets of one link. Functions, the control API and the links themselves keep to it. */
export const MAX_MEMBERS = 16;
