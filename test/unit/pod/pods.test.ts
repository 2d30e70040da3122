import { describe, expect, it } from "vitest";
import { ownCniConfig } from "../../../src/pod/cni-config.ts";
import { salvagePodRecord } from "../../../src/pod/pod-record.ts";
import { commandInPod, planDetach } from "../../../src/pod/pods.ts";

const BRIDGE = { cniVersion: "1.0.0", name: "pods", type: "bridge" };
const THIS_HOST = { plugins: { path: ["/opt/cni/bin"], environment: {} } };

describe("commandInPod", () => {
  it("enters the namespace of the pod", () => {
    const pod = { attachment: { address: "10.244.7.2", result: null }, netnsPath: "/proc/4711/fd/20" };
    expect(commandInPod(pod, ["ping", "10.244.9.2"])).toEqual([
      "nsenter",
      "--net=/proc/4711/fd/20",
      "--",
      "ping",
      "10.244.9.2",
    ]);
  });
});

describe("planDetach", () => {
  const known = { traces: salvagePodRecord(JSON.stringify({ name: "web", cniConfig: BRIDGE }), "web") };
  const unknown = { traces: salvagePodRecord("{", "web") };
  const other = { ...BRIDGE, name: "others" };

  it("detaches as the pod was attached", () => {
    expect(planDetach(known, { cniConfig: null, ...THIS_HOST })).toEqual({
      cniConfig: BRIDGE,
      isGuess: false,
      ...THIS_HOST,
    });
  });

  it("takes what the user says instead", () => {
    for (const pod of [known, unknown])
      expect(planDetach(pod, { cniConfig: other, ...THIS_HOST })).toMatchObject({
        cniConfig: other,
        isGuess: false,
      });
  });

  it("guesses that it was attached as pods are by default, and says that it is a guess", () => {
    expect(planDetach(unknown, { cniConfig: null, ...THIS_HOST })).toMatchObject({
      cniConfig: ownCniConfig("/run/flannel/subnet.env"),
      isGuess: true,
    });
  });
});
