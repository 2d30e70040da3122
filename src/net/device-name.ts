/** Names of network devices: what the kernel takes, and what we call a device that we or Docker make. */

/**
 * The kernel's rule (dev_valid_name of net/core/dev.c): 1 to 15 bytes, which is IFNAMSIZ less the final zero, with neither
 * "/" nor ":" nor blanks. With "%" a name is a template, "tun0" of "tun%d", so no device has one either. Of the bytes that
 * are no printable ASCII the kernel takes most; here none, as messages and commands would show them escaped.
 */
const DEVICE_NAME = /^[!-$&-.0-9;-~]{1,15}$/;
/** Files and directories beside the devices in sysfs and in /proc/sys/net/ipv4/conf. */
const TAKEN_NAMES = new Set([".", "..", "all", "default"]);

const PLAIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** What is no name of a device, as the end of a sentence. */
export const DEVICE_NAME_ADVICE =
  'need 1 to 15 printable ASCII characters without space, "/", ":" and "%", and not ".", "..", "all" or "default"';

/** How to name a new device, as the end of a sentence. */
export const PLAIN_DEVICE_NAME_ADVICE = "use 1 to 15 letters, digits and ._-";

/** True when a device that somebody made can have this name. */
export function isDeviceName(name: string): boolean {
  return DEVICE_NAME.test(name) && !TAKEN_NAMES.has(name);
}

/** True when we give a device this name: no program takes it for an option, no shell or file for more than a word. */
export function isPlainDeviceName(name: string): boolean {
  return PLAIN_NAME.test(name) && isDeviceName(name);
}
