import { describe, expect, it } from "vitest";
import { hostEndsOf } from "../../../src/pod/host-ends.ts";

const SCOPE = "twill-pod:web:1b-4711:";
const VETHS = [
  {}, // a device of another type
  { ifname: "veth1", address: "aa:00:00:00:00:01" },
  { ifname: "veth2", address: "aa:00:00:00:00:02", ifalias: `${SCOPE}9f86d081884c7d65` },
  { ifname: "veth3", address: "aa:00:00:00:00:03", ifalias: "twill-pod:web-2:1b-4712:9f86d081884c7d65" },
];

function attachment(interfaces: unknown): { address: string; result: unknown } {
  return { address: "10.244.7.2", result: { interfaces } };
}

describe("hostEndsOf", () => {
  it("gives what the plugin named, by name and MAC, and not what is in the pod", () => {
    const named = [
      { name: "cni0", mac: "aa:00:00:00:00:09" },
      { name: "veth1", mac: "AA:00:00:00:00:01" },
      { name: "veth3", mac: "aa:00:00:00:00:03", sandbox: "/proc/7/ns/net" },
    ];
    expect(hostEndsOf(attachment(named), null, VETHS)).toEqual(["veth1"]);
  });

  it("leaves a device alone that has the name of an earlier one", () => {
    expect(hostEndsOf(attachment([{ name: "veth1", mac: "aa:00:00:00:00:11" }]), null, VETHS)).toEqual([]);
    expect(hostEndsOf(attachment([{ name: "veth1" }]), null, VETHS)).toEqual([]);
  });

  it("gives what has the pod's mark, whatever the record says", () => {
    expect(hostEndsOf(null, SCOPE, VETHS)).toEqual(["veth2"]);
    expect(hostEndsOf(null, null, VETHS)).toEqual([]);
  });

  it.each([null, {}, "text", [null, 7, "veth1", {}], [{ name: 7, mac: {} }]])(
    "finds nothing in %j for interfaces",
    (interfaces) => expect(hostEndsOf(attachment(interfaces), null, VETHS)).toEqual([]),
  );
});
