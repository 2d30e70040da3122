/** MAC addresses written in a test: a slip of the pen throws, instead of being null. */
import { MacAddress } from "../../src/net/mac.ts";

/** @throws {RangeError} when the text is no MAC address */
export function macOf(text: string): MacAddress {
  const mac = MacAddress.parse(text);
  if (mac === null) throw new RangeError(`Not a MAC address: ${text}`);
  return mac;
}
