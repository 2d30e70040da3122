import { expect, it } from "vitest";
import { countOf } from "../../../../src/lab/show/count-of.ts";

it.each([
  [0, "0 hosts"],
  [1, "1 host"],
  [2, "2 hosts"],
])("countOf(%d) is %s", (count, text) => expect(countOf(count, "host")).toBe(text));
