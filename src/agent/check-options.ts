import type { AgentOptionKey, AgentOptions } from "./agent-options.ts";
import { AGENT_OPTIONS } from "./agent-options.ts";
import { usageError } from "./usage-error.ts";

/** What stands in the log for a secret that is set. */
const HIDDEN = "(hidden)";

/** Flags whose work belongs to later versions: giving one a value other than "do nothing" deserves a word. */
const NOT_MANAGED_YET: readonly AgentOptionKey[] = [
  "ipMasq",
  "ipMasqFullyRandomDisable",
  "iptablesForwardRules",
  "ipBlackholeRoute",
];

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

/** Flags that were switched on by the user and do nothing yet. */
export function flagsWithoutEffect(options: AgentOptions, given: ReadonlySet<AgentOptionKey>): string[] {
  return NOT_MANAGED_YET.filter((key) => given.has(key) && options[key] === true).map(
    (key) => `--${AGENT_OPTIONS[key].name}`,
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
