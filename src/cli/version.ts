import { createRequire } from "node:module";

const manifest = createRequire(import.meta.url)("../../package.json") as { readonly version: string };

/** Version of twill, from package.json. */
export const VERSION = manifest.version;
