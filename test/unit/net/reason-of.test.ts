import { expect, it } from "vitest";
import { reasonOf } from "../../../src/net/reason-of.ts";

it.each([
  [new TypeError("no such thing"), "no such thing"],
  ["text", "text"],
  [undefined, "undefined"],
])("gives the words of %j", (thrown, words) => expect(reasonOf(thrown)).toBe(words));
