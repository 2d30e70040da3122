import { beforeEach, describe, expect, it } from "vitest";
import { loadAgentConfig } from "../../../../src/agent/config.ts";
import { checkStart } from "../../../../src/agent/start/check-start.ts";
import type { CheckDeps } from "../../../../src/agent/start/check-start.ts";
import type { StartPlan } from "../../../../src/agent/start/start-plan.ts";
import type { CachedState } from "../../../../src/peers/cached-state.ts";
import { MemoryRegistry } from "../../../../src/subnet-lease/memory-registry.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";
import { recordLog } from "../../../support/log-lines.ts";

const never = new AbortController().signal;
const CONFIG = '{"Network":"10.244.0.0/16"}';
const { options } = loadAgentConfig(new Map(), {});
const PLAN: StartPlan = {
  options,
  nodeId: null,
  etcd: {
    endpoints: options.etcdEndpoints,
    login: null,
    tls: { caFile: null, certFile: null, keyFile: null },
  },
  underlay: {
    interfaceName: "eth0",
    interfaceIndex: 2,
    interfaceIp: addressOf("192.0.2.10"),
    publicIp: addressOf("192.0.2.10"),
    underlayMtu: 1500,
  },
  rejectedInterfaces: [],
  underlayPrefixes: [],
  previousSubnet: null,
  cache: { state: null, problem: null },
};

let deps: CheckDeps;
let state: CachedState;
beforeEach(async () => {
  const clock = new FakeClock();
  const registry = new MemoryRegistry(clock);
  const write = { kind: "put", value: CONFIG, etcdLeaseId: 0n } as const;
  await registry.commit("/coreos.com/network/config", 0n, write, never);
  deps = { registry, clock, log: recordLog().log, unknownVariables: [], isIpForwarding: true };
  state = {
    etcdPrefix: options.etcdPrefix,
    network: prefixOf("10.244.0.0/16"),
    networkConfig: CONFIG,
    ownLease: { subnet: prefixOf("10.244.7.0/24"), etcdLeaseId: 1n, expiresAtWallMs: clock.wallMs() + 1000 },
    registry: { clusterId: 1n, revision: 2n },
    peers: [],
  };
});

/** The line of this name. */
async function check(
  name: string,
  plan: Partial<StartPlan> = {},
  more: Partial<CheckDeps> = {},
): Promise<string> {
  const { text } = await checkStart({ ...PLAN, ...plan }, { ...deps, ...more }, never);
  const line = text.split("\n").find((one) => one.startsWith(`${name}  `));
  return line?.slice(name.length).trim() ?? "(none)";
}

describe("checkStart", () => {
  it("names backend, overlay MTU and packet engine", async () => {
    expect(await check("backend")).toBe("udp, overlay MTU 1472");
    expect(await check("packet engine", { options: { ...options, engine: "dgram" } })).toBe("dgram");
  });

  it("asks for the subnet of the subnet file, and else of the saved state", async () => {
    const name = "subnet to ask for";
    expect(await check(name)).toBe("the one etcd has for this node, or a free one");
    expect(await check(name, { previousSubnet: prefixOf("10.244.35.0/24") })).toBe("10.244.35.0/24");
    expect(await check(name, { cache: { state, problem: null } })).toBe("10.244.7.0/24");
  });

  it.each(["10.77.35.0/24", "10.244.35.0/25"])(
    "says that %s of an old subnet file is not asked for",
    async (text) => {
      expect(await check("subnet to ask for", { previousSubnet: prefixOf(text) })).toBe(
        `the one etcd has for this node, or a free one; not ${text}, which is no subnet of the network`,
      );
    },
  );

  it("forwards at once with a saved state, and says when the network config is another since", async () => {
    const cache = { state, problem: null };
    expect(await check("saved state", { cache })).toBe("forwards for 10.244.7.0/24 at once");
    const rewritten = { ...state, networkConfig: '{ "network": "10.244.0.0/16", "SubnetLen": 24 }' };
    expect(await check("saved state", { cache: { state: rewritten, problem: null } })).toBe(
      "forwards for 10.244.7.0/24 at once",
    );
    const old = { ...state, networkConfig: '{"Network":"10.244.0.0/16","SubnetLen":25}' };
    expect(await check("saved state", { cache: { state: old, problem: null } })).toBe(
      "forwards for 10.244.7.0/24 until etcd answers, then starts anew: the network config has changed",
    );
    expect(await check("saved state")).toBe("asks etcd first");
  });

  it("tells of forwarding that is off and of variables that are none, and else nothing", async () => {
    expect(await check("forwarding", {}, { isIpForwarding: null })).toBe("(none)");
    expect(await check("forwarding")).toBe("(none)");
    expect(await check("forwarding", {}, { isIpForwarding: false })).toBe(
      "net.ipv4.ip_forward is 0, containers will not reach other hosts",
    );
    expect(await check("not known")).toBe("(none)");
    expect(await check("not known", {}, { unknownVariables: ["TWILL_A", "TWILL_B"] })).toBe(
      "TWILL_A; TWILL_B",
    );
  });
});
