import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadAgentConfig } from "../../../../src/agent/config.ts";
import { readEtcdOptions } from "../../../../src/agent/start/read-etcd-options.ts";
import type { EtcdOptions } from "../../../../src/subnet-lease/etcd/etcd-options.ts";

describe("readEtcdOptions", () => {
  let directory: string;
  let passwordFile: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-etcd-options-"));
    passwordFile = join(directory, "password");
  });

  afterEach(() => rm(directory, { recursive: true }));

  function read(flags: Readonly<Record<string, string>>): Promise<EtcdOptions> {
    const texts = new Map(Object.entries(flags).map(([name, text]) => [name, [text]]));
    return readEtcdOptions(loadAgentConfig(texts, {}).options);
  }

  it("takes no login and no TLS files where none are named", async () => {
    expect(await read({})).toEqual({
      endpoints: ["http://127.0.0.1:4001", "http://127.0.0.1:2379"],
      login: null,
      tls: { caFile: null, certFile: null, keyFile: null },
    });
  });

  it.each([
    ["secret", "secret"],
    ["secret\n", "secret"],
    ["secret\r\n", "secret"],
    [" blanks stay \n", " blanks stay "],
  ])("reads %j as the password %j", async (text, password) => {
    await writeFile(passwordFile, text);
    const { login } = await read({ "etcd-username": "twill", "etcd-password-file": passwordFile });
    expect(login).toEqual({ username: "twill", password });
  });

  it.each(["", "\n", "two\nlines\n", "x".repeat(4097)])(
    "refuses a password file that holds %j",
    async (text) => {
      await writeFile(passwordFile, text);
      const options = { "etcd-username": "twill", "etcd-password-file": passwordFile };
      await expect(read(options)).rejects.toMatchObject({
        code: "ERR_OPTION_INVALID",
        message: `Cannot use --etcd-password-file ${passwordFile}: it must hold one line of 1 to 4096 bytes`,
      });
    },
  );

  it("names a password file that is not there", async () => {
    const options = { "etcd-username": "twill", "etcd-password-file": passwordFile };
    await expect(read(options)).rejects.toMatchObject({
      code: "ERR_FILE_FAILED",
      message: expect.stringContaining("Cannot read --etcd-password-file: ENOENT") as string,
    });
  });

  it("looks at TLS files for an https endpoint only", async () => {
    const missing = join(directory, "ca.pem");
    await expect(read({ "etcd-cafile": missing })).resolves.toMatchObject({ tls: { caFile: missing } });
    const https = { "etcd-cafile": missing, "etcd-endpoints": "https://192.0.2.10:2379" };
    await expect(read(https)).rejects.toMatchObject({ message: expect.stringContaining(missing) as string });
  });
});
