/** An ADD for what has one already: a runtime that errs, and one that lost its host, its containers or its memory. */
import { describe, expect, it } from "vitest";
import { runChecked } from "../../src/lab/machine/run-command.ts";
import { CniHost, addressOf } from "../support/cni-host.ts";
import type { Container } from "../support/cni-host.ts";
import { eventually } from "../support/eventually.ts";
import { expectNothingLeft, expectUntouched } from "../support/expect-cni-host.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";

const SUCCESS = { code: 0, stdout: "" };

/** What a runtime reads when the container is attached in the namespace at this path. */
function refusal({ id, namespace }: Container, path = namespace.path): unknown {
  const why = `eth0 of ${id} is attached to network net already, in "${path}"; detach it first (DEL), or remove that namespace once nothing runs in it`;
  return { code: 1, stdout: { cniVersion: "1.0.0", code: 101, msg: `Cannot attach the container: ${why}` } };
}

async function oneHost(): Promise<Lab> {
  return await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
}

describe("an ADD of twill-cni for a container that is attached", () => {
  it("is refused, however often, and leaves the container as it is", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    const added = await cni.add(container);
    for (let i = 0; i < 3; i++) expect(await cni.call("ADD", container)).toEqual(refusal(container));
    await expectUntouched(cni, container, added);
    expect(await cni.call("DEL", container)).toEqual(SUCCESS);
    expect(addressOf(await cni.add(container))).not.toBe("");
  });

  it("is refused for another namespace too, which stays empty", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const [container, other] = [await cni.create(), await cni.create()];
    const added = await cni.add(container);
    const elsewhere = { env: { CNI_NETNS: other.namespace.path } };
    expect(await cni.call("ADD", container, elsewhere)).toEqual(refusal(container));
    await expectUntouched(cni, container, added);
    expect(await other.namespace.run("ip", ["-o", "link"])).not.toContain("eth0");
  });
});

describe("an ADD of twill-cni for a container that went without a DEL", () => {
  it("frees what the old one had, and nothing of another", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const [old, anew, other] = [await cni.create(), await cni.create(), await cni.create()];
    await cni.add(old);
    const beside = addressOf(await cni.add(other));
    await old[Symbol.asyncDispose]();
    const again = { env: { CNI_NETNS: anew.namespace.path } };
    const address = addressOf(await cni.add(old, again));
    expect(await cni.remembered()).toEqual(
      [beside, address, `net:${old.id}:eth0`, `net:${other.id}:eth0`].sort(),
    );
    for (const one of [address, beside]) expect(await cni.host.ping(one)).toMatchObject({ lost: 0 });
    expect(await cni.call("DEL", old, again)).toEqual(SUCCESS);
    expect(await cni.call("DEL", other)).toEqual(SUCCESS);
    await expectNothingLeft(cni);
  });

  it("is refused as long as the old one's namespace is mounted, and goes on once that is removed, as the refusal says", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    const name = `twl-test-${process.pid}-kept`;
    const path = `/run/netns/${name}`;
    await runChecked(["ip", "netns", "add", name]);
    try {
      await cni.add(container, { env: { CNI_NETNS: path } });
      expect(await cni.call("ADD", container)).toEqual(refusal(container, path));
      expect(await cni.call("DEL", container)).toEqual(SUCCESS); // a runtime's answer, which frees nothing
      expect(await cni.call("ADD", container)).toEqual(refusal(container, path));
    } finally {
      await runChecked(["ip", "netns", "del", name]);
    }
    const address = addressOf(await cni.add(container));
    expect(await cni.remembered()).toEqual([address, `net:${container.id}:eth0`]);
    expect(await cni.call("DEL", container)).toEqual(SUCCESS);
    await expectNothingLeft(cni);
  });

  it("is not taken in by a namespace of the same name", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    const name = `twl-test-${process.pid}-again`;
    const inNamed = { env: { CNI_NETNS: `/run/netns/${name}` } };
    await runChecked(["ip", "netns", "add", name]);
    try {
      await cni.add(container, inNamed);
      await runChecked(["ip", "netns", "del", name]);
      await eventually(async () => expect(await cni.portsOf("cni0")).toEqual([]));
      await runChecked(["ip", "netns", "add", name]);
      const address = addressOf(await cni.add(container, inNamed));
      expect(await cni.remembered()).toEqual([address, `net:${container.id}:eth0`]);
      expect(await cni.host.ping(address)).toMatchObject({ lost: 0 });
      expect(await cni.call("DEL", container, inNamed)).toEqual(SUCCESS);
    } finally {
      await runChecked(["ip", "netns", "del", name]);
    }
    await expectNothingLeft(cni);
  });

  it("gives it its interface again where somebody took that away", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    await cni.add(container);
    await container.namespace.run("ip", ["link", "del", "eth0"]);
    await expectUntouched(cni, container, await cni.add(container));
    expect(await cni.call("DEL", container)).toEqual(SUCCESS);
    await expectNothingLeft(cni);
  });
});
