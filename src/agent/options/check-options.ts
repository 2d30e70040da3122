import { showUntrusted } from "../../net/untrusted-text.ts";
import { checkEtcdOptions } from "../../subnet-lease/etcd/etcd-options.ts";
import { AGENT_OPTIONS } from "./agent-options.ts";
import type { AgentOptionKey, AgentOptions } from "./agent-options.ts";
import { MAX_SOCKET_PATH_BYTES, agentSocketPath } from "./agent-socket.ts";
import { usageError } from "./usage-error.ts";

/** What stands in the log for a secret that is set. */
const HIDDEN = "(hidden)";

/**
 * The same options, after the checks that need more than one of them.
 * @throws {OverlayError} `ERR_OPTION_INVALID`
 */
export function checkOptions(options: AgentOptions): AgentOptions {
  if (options.kubeSubnetMgr) {
    throw usageError("Cannot use --kube-subnet-mgr=true: twill keeps leases in etcd, not in Kubernetes");
  }
  if (options.etcdEndpoints.some((endpoint) => endpoint.includes("@"))) {
    throw usageError(
      "Cannot use --etcd-endpoints: an endpoint holds a user; give it with --etcd-username and --etcd-password-file",
    );
  }
  checkPairs(options);
  // The endpoints only: TLS files are read, and so judged, at the start.
  const tls = { caFile: null, certFile: null, keyFile: null };
  checkEtcdOptions({ endpoints: options.etcdEndpoints, login: null, tls });
  checkSocketPath(options.runDir);
  return options;
}

function checkPairs(options: AgentOptions): void {
  const { etcdPassword, etcdPasswordFile, etcdUsername, etcdCertfile, etcdKeyfile } = options;
  if (etcdPassword !== "" && etcdPasswordFile !== "") {
    throw usageError("Cannot use both --etcd-password and --etcd-password-file");
  }
  if ((etcdUsername !== "") !== (etcdPassword !== "" || etcdPasswordFile !== "")) {
    throw usageError("Cannot use --etcd-username and an etcd password without each other");
  }
  if ((etcdCertfile !== "") !== (etcdKeyfile !== "")) {
    throw usageError("Cannot use --etcd-certfile and --etcd-keyfile without each other");
  }
}

/** The kernel would refuse it with no more than EINVAL, and Node.js 22 cut it without a word. */
function checkSocketPath(runDir: string): void {
  const path = agentSocketPath(runDir);
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH_BYTES) return;
  throw usageError(
    `Cannot use --run-dir: the path of its socket, ${showUntrusted(path)}, has ${bytes} bytes, more than ${MAX_SOCKET_PATH_BYTES}`,
  );
}

/** The options by flag name, fit for the log: secrets are hidden. */
export function describeOptions(options: AgentOptions): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const key of Object.keys(AGENT_OPTIONS) as AgentOptionKey[]) {
    const { name, isSecret } = AGENT_OPTIONS[key];
    const value = options[key];
    shown[name] = isSecret && value !== "" ? HIDDEN : value;
  }
  // A RegExp has no JSON form.
  shown[AGENT_OPTIONS.ifaceRegex.name] = options.ifaceRegex.map((pattern) => pattern.source);
  return shown;
}
