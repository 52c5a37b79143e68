// The version of sbx; the build puts it in.

declare const SBX_VERSION: string | undefined;

/** Version of sbx; `0.0.0` when run from source. */
export const sbxVersion: string = typeof SBX_VERSION === 'string' ? SBX_VERSION : '0.0.0';
