/**
 * What the delegate is told, against what flannel's own plugin told it: flannel-delegates.json was recorded from the
 * unmodified program of Debian 11 (containernetworking-plugins 0.9.0), with a delegate that keeps its standard input.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/network-config.ts";
import { planDelegate } from "../../../src/cni/plan-delegate.ts";
import { parseSubnetFile } from "../../../src/files/subnet-file.ts";

/** One ADD: delegate's input, or the message of the refusal. */
interface Recorded {
  /** Of the subnet file, which was the same otherwise. */
  readonly ipMasq: boolean;
  readonly network: object;
  readonly delegate?: { readonly ipam: object };
  readonly refusal?: string;
}

const RECORDED = JSON.parse(
  readFileSync(new URL("./flannel-delegates.json", import.meta.url), "utf8"),
) as readonly Recorded[];

function plan({ ipMasq, network }: Recorded): object {
  const subnet = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\n";
  const file = parseSubnetFile(`${subnet}FLANNEL_IPMASQ=${String(ipMasq)}\n`);
  if (file === null) throw new Error("the test's subnet file is wrong");
  return planDelegate(parseNetworkConfig(JSON.stringify(network)), file);
}

/** Since 1.0 flannel's plugin says the same with a list, which may hold a subnet of each family. */
function asToday(ipam: object): object {
  const { subnet, ...others } = { subnet: "", ...ipam };
  return { ...others, ranges: [[{ subnet }]] };
}

describe("planDelegate", () => {
  it.each(RECORDED.filter(({ refusal }) => refusal === undefined))(
    "agrees with flannel's plugin on $network",
    (recorded) => {
      const { delegate } = recorded;
      expect(plan(recorded)).toEqual({ ...delegate, ipam: asToday(delegate?.ipam ?? {}) });
    },
  );

  it.each(RECORDED.filter(({ refusal }) => refusal !== undefined))(
    "refuses as flannel's plugin $network",
    (recorded) => {
      expect(() => plan(recorded)).toThrow(expect.objectContaining({ cniCode: 7 }));
    },
  );

  it("was held against enough", () => expect(RECORDED).toHaveLength(22));
});
