/** A DEL for another namespace than the ADD was for: a runtime answers an ADD that failed so, and must not hit the first. */
import { rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { runChecked } from "../../src/lab/machine/run-command.ts";
import { CniHost, addressOf } from "../support/cni-host.ts";
import type { CallOptions, Container } from "../support/cni-host.ts";
import { expectNothingLeft, expectUntouched } from "../support/expect-cni-host.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";

const SUCCESS = { code: 0, stdout: "" };

async function oneHost(): Promise<Lab> {
  return await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
}

/** The variables of a call for the container's id, with this path for its namespace. */
function inNamespace(path: string): CallOptions {
  return { env: { CNI_NETNS: path } };
}

/** A container whose namespace has an eth0 that is not of twill-cni. */
async function createWithStranger(cni: CniHost): Promise<Container> {
  const container = await cni.create();
  await container.namespace.run("ip", ["link", "add", "eth0", "type", "bridge"]);
  return container;
}

async function linksIn(container: Container): Promise<string> {
  return await container.namespace.run("ip", ["-o", "link"]);
}

describe("a DEL of twill-cni for another namespace than the container is attached in", () => {
  it("leaves the container as it is, and says so, whyever an ADD there failed", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const [container, other] = [await cni.create(), await createWithStranger(cni)];
    const added = await cni.add(container);
    const elsewhere = inNamespace(other.namespace.path);
    expect(await cni.call("ADD", container, elsewhere)).toMatchObject({ code: 1, stdout: { code: 101 } });
    const why = `this DEL is for another namespace, "${other.namespace.path}"`;
    const log = `twill-cni: Left eth0 of ${container.id} attached to network net in "${container.namespace.path}": ${why}\n`;
    for (let i = 0; i < 2; i++)
      expect(await cni.callLogged("DEL", container, elsewhere)).toEqual({ ...SUCCESS, log });
    await expectUntouched(cni, container, added);

    await rm(cni.host.files.subnetFile);
    expect(await cni.call("ADD", container, elsewhere)).toMatchObject({ code: 1, stdout: { code: 11 } });
    expect(await cni.call("DEL", container, elsewhere)).toEqual(SUCCESS);
    await expectUntouched(cni, container, added);
    expect(await linksIn(other)).toContain("eth0");
  });

  it("leaves it its address also where its interface has got another name", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const [container, other] = [await cni.create(), await cni.create()];
    const address = addressOf(await cni.add(container));
    const renaming = ["link set eth0 down", "link set eth0 name lan0", "link set lan0 up"];
    for (const step of renaming) await container.namespace.run("ip", step.split(" "));
    expect(await cni.call("DEL", container, inNamespace(other.namespace.path))).toEqual(SUCCESS);
    expect(await cni.host.ping(address)).toMatchObject({ lost: 0 });
    expect(await cni.remembered()).toEqual([address, `net:${container.id}:eth0`]);
  });
});

describe("a DEL of twill-cni for the namespace that the container is attached in", () => {
  it("detaches it, by whatever path it is named", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    await cni.add(container);
    const { pid } = container.namespace;
    const another = inNamespace(`/proc/${pid}/task/${pid}/ns/net`);
    expect(await cni.callLogged("DEL", container, another)).toEqual({ ...SUCCESS, log: "" });
    expect(await linksIn(container)).not.toContain("eth0");
    await expectNothingLeft(cni);
  });

  it("detaches it when the DEL names no namespace, or none that is there", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    for (const path of ["", "/run/netns/absent"]) {
      const container = await cni.create();
      await cni.add(container);
      expect(await cni.call("DEL", container, inNamespace(path))).toEqual(SUCCESS);
      expect(await cni.remembered()).toEqual([]);
    }
  });
});

describe("a DEL of twill-cni for a container whose namespace has gone", () => {
  it("frees what it had, and takes nothing from the namespace that it names", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const [gone, other] = [await cni.create(), await createWithStranger(cni)];
    await cni.add(gone);
    await gone[Symbol.asyncDispose]();
    const elsewhere = inNamespace(other.namespace.path);
    expect(await cni.callLogged("DEL", gone, elsewhere)).toEqual({ ...SUCCESS, log: "" });
    await expectNothingLeft(cni);
    expect(await linksIn(other)).toContain("eth0");
  });

  it("frees it where another namespace has its name by now", async () => {
    await using lab = await oneHost();
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    const name = `twl-test-${process.pid}-anew`;
    const inNamed = inNamespace(`/run/netns/${name}`);
    await runChecked(["ip", "netns", "add", name]);
    try {
      await cni.add(container, inNamed);
      await runChecked(["ip", "netns", "del", name]);
      await runChecked(["ip", "netns", "add", name]);
      expect(await cni.callLogged("DEL", container, inNamed)).toEqual({ ...SUCCESS, log: "" });
      await expectNothingLeft(cni);
    } finally {
      await runChecked(["ip", "netns", "del", name]);
    }
  });
});
