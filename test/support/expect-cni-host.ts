/** What the tests of `twill-cni` expect of a host as a whole. */
import { expect } from "vitest";
import { addressOf } from "./cni-host.ts";
import type { AddResult, CniHost, Container } from "./cni-host.ts";
import { eventually } from "./eventually.ts";

/** Everything about a container is as its ADD left it, and nothing else is there. */
export async function expectUntouched(cni: CniHost, container: Container, added: AddResult): Promise<void> {
  const address = addressOf(added);
  expect(await cni.call("CHECK", container, { config: { prevResult: added } })).toEqual({
    code: 0,
    stdout: "",
  });
  expect(await cni.host.ping(address)).toMatchObject({ lost: 0 });
  expect(await cni.remembered()).toEqual([address, `net:${container.id}:eth0`]);
  expect(await cni.portsOf("cni0")).toHaveLength(1);
}

/** No state, no address, no port; the kernel may take a while to end the namespace that a port led to. */
export async function expectNothingLeft(cni: CniHost): Promise<void> {
  expect(await cni.remembered()).toEqual([]);
  await eventually(async () => expect(await cni.portsOf("cni0")).toEqual([]));
}
