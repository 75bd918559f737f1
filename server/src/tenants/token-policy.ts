// How a tenant's tokens are verified, as it is written in baton.config.
import { z } from 'zod';
import { duration } from '../duration.ts';

/** RFC 7518 §3.2: a key is at least as long as the hash; in bytes. */
const SHORTEST: Record<string, number> = { HS256: 32, HS384: 48, HS512: 64 };
const HMACS = ['HS256', 'HS384', 'HS512'] as const;
const SIGNATURES = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
const USUAL_SIGNATURES = ['RS256', 'ES256', 'EdDSA', 'Ed25519'] as const;

const names = z
  .union([z.string().min(1).max(256), z.array(z.string().min(1).max(256)).min(1).max(16)])
  .transform((given) => [given].flat());

export const tokenPolicy = z
  .strictObject({
    /** Shared secrets, each may have signed; several during a rotation. */
    secrets: z.array(z.string().max(1024)).min(1).max(4).optional(),
    /** Where the issuer publishes its keys (RFC 7517 §5). */
    jwks: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .optional(),
    /** Default HS256 with `secrets`; RS256, ES256 and EdDSA with `jwks`. */
    algorithms: z
      .array(z.enum([...HMACS, ...SIGNATURES]))
      .min(1)
      .optional(),
    /** One of them has to be among the token's. */
    audience: names.optional(),
    issuer: names.optional(),
    /** How far the issuer's clock may be off. */
    clockSkew: duration.pipe(z.number().max(300_000)).default(5_000),
    /** Longest time between `iat` and `exp`. */
    maxLifetime: duration.pipe(z.number().min(1_000)).optional(),
    /** Claim that names the player. */
    playerClaim: z.string().min(1).max(64).default('sub'),
  })
  .superRefine((policy, context) => {
    const wrong = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const { secrets, jwks, algorithms = secrets ? ['HS256'] : [] } = policy;
    if ((secrets === undefined) === (jwks === undefined)) {
      context.addIssue({ code: 'custom', message: 'expected either `secrets` or `jwks`' });
      return;
    }
    // a public key must never be taken for a secret
    const fits: readonly string[] = secrets ? HMACS : SIGNATURES;
    if (!algorithms.every((algorithm) => fits.includes(algorithm)))
      wrong('algorithms', `with \`${secrets ? 'secrets' : 'jwks'}\` they are some of ${fits.join(', ')}`);
    const shortest = Math.max(...algorithms.map((algorithm) => SHORTEST[algorithm] ?? 0));
    // what is wrong with a secret is said without repeating it
    if (secrets?.some((secret) => Buffer.byteLength(secret) < shortest))
      wrong('secrets', `each has to be at least ${shortest} bytes long`);
    if (jwks && !encrypted(jwks)) wrong('jwks', 'only https: keys that came in clear can be anybody’s');
  })
  .transform(({ secrets, jwks, algorithms, ...rest }) =>
    secrets
      ? { ...rest, secrets, algorithms: (algorithms ?? ['HS256']) as string[] }
      : { ...rest, jwks: jwks!, algorithms: (algorithms ?? USUAL_SIGNATURES) as readonly string[] },
  );

export type TokenPolicy = z.infer<typeof tokenPolicy>;

/** What stays on this machine needs no encryption; whether it may be there says the address guard. */
function encrypted(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);
}
