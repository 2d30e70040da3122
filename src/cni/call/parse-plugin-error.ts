/** The error object of the CNI specification, which a plugin that failed prints. */
export interface PluginError {
  /** Null where the plugin left it out, though the specification wants it. */
  readonly code: number | null;
  readonly msg: string;
  readonly details: string | undefined;
}

/** The error in what a plugin printed, or null when that is none. */
export function parsePluginError(stdout: string): PluginError | null {
  try {
    const { code, msg, details } = JSON.parse(stdout) as Partial<Record<string, unknown>>; // throws for null
    if (typeof msg !== "string" || msg === "") return null;
    return {
      code: typeof code === "number" ? code : null,
      msg,
      details: typeof details === "string" && details !== "" ? details : undefined,
    };
  } catch {
    return null;
  }
}
