/** What CNI plugins know a pod by: they free addresses and find chains of the firewall by it. */
import { randomBytes } from "node:crypto";

/** Half a UUID: none is made twice. */
const TOKEN_BYTES = 8;
/** No name of a pod has a full stop. */
const ID = /^twill-pod-[a-z0-9-]{1,63}\.[0-9a-f]{16}$/;

/**
 * An id that no pod had before. Two directories of pods may have one name in common; and `bridge` leaves a rule behind of a
 * pod whose namespace went before it was detached, which keeps the chain of that id from being removed.
 */
export function newContainerId(name: string): string {
  return `${oldContainerId(name)}.${randomBytes(TOKEN_BYTES).toString("hex")}`;
}

/** The id of a pod whose twill made it of the name alone, and wrote none down. */
export function oldContainerId(name: string): string {
  return `twill-pod-${name}`;
}

/** Whether `text` is an id that was made here. */
export function isContainerId(text: string): boolean {
  return ID.test(text);
}
