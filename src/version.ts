/** The version of package.json; the bundler fills it in. */
declare const CRCTL_VERSION: string | undefined;

export const VERSION: string = typeof CRCTL_VERSION === "string" ? CRCTL_VERSION : "0.0.0-dev";
