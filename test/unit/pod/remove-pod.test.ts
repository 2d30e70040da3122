import { expect, it } from "vitest";
import { whyNotToEnd } from "../../../src/pod/remove-pod.ts";

it.each([
  ["our own", 7, 7, 1, "this command itself runs in its network; run it on the host"],
  ["that of the first of all processes", 1, 7, 1, "its first process is in the network of process 1; end it"],
  ["another", 9, 7, 1, null],
  ["another, where ours cannot be told", 9, null, null, null],
])("tells whether to end what is in %s", (_name, number, own, init, refusal) => {
  expect(whyNotToEnd(number, own, init)).toBe(refusal);
});
