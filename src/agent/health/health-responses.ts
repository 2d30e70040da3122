import type { AgentStatus } from "../status.ts";

/** Where the reason for a 503 stands, for people with curl; the body is flannel's to the byte. */
const REASON_HEADER = "x-twill-reason";

export interface HealthResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the answers depend on. */
export interface HealthSource {
  /** Why the agent is not ready, one sentence, or null when it is. */
  notReadyReason(): string | null;
  status(): AgentStatus;
}

const TEXT = { "content-type": "text/plain; charset=utf-8" };

/**
 * The answer to any request for `path`: `/healthz` and `/readyz` with flannel's bodies and, where `hasStatus`,
 * `/status`. As with flannel every method gets the same answer.
 */
export function respondToHealth(path: string, source: HealthSource, hasStatus: boolean): HealthResponse {
  if (path === "/healthz") return { status: 200, headers: TEXT, body: "flanneld is running" };
  if (path === "/readyz") return readiness(source.notReadyReason());
  if (path === "/status" && hasStatus) {
    const headers = { "content-type": "application/json" };
    return { status: 200, headers, body: `${JSON.stringify(source.status())}\n` };
  }
  return { status: 404, headers: TEXT, body: "404 page not found\n" };
}

function readiness(reason: string | null): HealthResponse {
  if (reason === null) return { status: 200, headers: TEXT, body: "flanneld is ready" };
  const headers = { ...TEXT, [REASON_HEADER]: reason.replace(/[^\x20-\x7e]/g, "?") };
  return { status: 503, headers, body: "flanneld is not ready yet" };
}
