// The part of https://standardschema.dev that is used: Zod, Valibot, ArkType and others have it.

export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Result<Output> | Promise<Result<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

type Result<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly unknown[] | undefined;
      }[];
    };

/** What went wrong, in a sentence; undefined for nothing. */
export function issuesOf(result: Result<unknown>): string | undefined {
  return result.issues
    ?.map(({ message, path }) => (path?.length ? `${at(path)}: ${message}` : message))
    .join('; ');
}

const at = (path: readonly unknown[]): string =>
  path
    .map((step) => String(typeof step === 'object' && step !== null && 'key' in step ? step.key : step))
    .join('.');
