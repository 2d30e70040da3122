import { describe, expect, it } from "vitest";
import { readAttachment, readCommand, readPluginDirectories } from "../../../src/cni/plugin-request.ts";

const ENV = {
  CNI_CONTAINERID: "c1",
  CNI_NETNS: "/run/netns/c1",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin:/usr/lib/cni",
};

describe("readCommand", () => {
  it.each(["ADD", "CHECK", "DEL", "VERSION"])("knows %s", (CNI_COMMAND) =>
    expect(readCommand({ ...ENV, CNI_COMMAND })).toBe(CNI_COMMAND),
  );

  it("lets a DEL be without a namespace, which may be gone", () => {
    expect(readCommand({ ...ENV, CNI_COMMAND: "DEL", CNI_NETNS: "" })).toBe("DEL");
    expect(readCommand({ CNI_COMMAND: "VERSION" })).toBe("VERSION");
  });

  it.each([
    [{}, "CNI_COMMAND says: it is not set, and twill-cni, which a container runtime starts, knows ADD"],
    [{ CNI_COMMAND: "GC" }, 'CNI_COMMAND says: it is "GC"'],
    [{ ...ENV, CNI_COMMAND: "STATUS" }, 'it is "STATUS"'],
    [{ CNI_COMMAND: "add" }, 'CNI_COMMAND says: it is "add"'],
    [{ CNI_COMMAND: "toString" }, 'it is "toString"'],
    [{ CNI_COMMAND: "ADD" }, "Cannot do ADD: CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH must be set"],
    [{ ...ENV, CNI_COMMAND: "CHECK", CNI_NETNS: "" }, "Cannot do CHECK: CNI_NETNS must be set"],
    [{ ...ENV, CNI_COMMAND: "DEL", CNI_PATH: undefined }, "Cannot do DEL: CNI_PATH must be set"],
  ])("refuses %j", (env, message) => {
    expect(() => readCommand(env)).toThrow(
      expect.objectContaining({ cniCode: 4, message: expect.stringContaining(message) as string }),
    );
  });
});

describe("readAttachment", () => {
  it.each([
    ["c1", "eth0"],
    ["0a.B_c-9", "a@b"],
    ["x".repeat(64), "123456789012345"],
  ])("takes container %s, interface %s", (containerId, interfaceName) => {
    expect(readAttachment({ CNI_CONTAINERID: containerId, CNI_IFNAME: interfaceName })).toEqual({
      containerId,
      interfaceName,
    });
  });

  it.each(["", ".", "..", "../x", "a/b", ".x", "-x", "a:b", "a b", "a\n", "ü"])(
    "refuses container %j",
    (id) => {
      expect(() => readAttachment({ CNI_CONTAINERID: id, CNI_IFNAME: "eth0" })).toThrow(
        expect.objectContaining({
          cniCode: 4,
          message: expect.stringContaining("CNI_CONTAINERID") as string,
        }),
      );
    },
  );

  it.each(["", ".", "..", "a/b", "a:b", "a b", "a\n", "1234567890123456", "ü", "a\u007f"])(
    "refuses interface %j",
    (name) => {
      expect(() => readAttachment({ CNI_CONTAINERID: "c1", CNI_IFNAME: name })).toThrow(
        expect.objectContaining({ cniCode: 4, message: expect.stringContaining("CNI_IFNAME") as string }),
      );
    },
  );
});

describe("readPluginDirectories", () => {
  it("keeps the order and leaves empty parts out", () => {
    expect(readPluginDirectories({ CNI_PATH: "/b::/a:" })).toEqual(["/b", "/a"]);
  });
});
