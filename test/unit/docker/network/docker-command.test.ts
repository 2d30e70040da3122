import { describe, expect, it } from "vitest";
import { createDockerCommand, explainFailure } from "../../../../src/docker/network/docker-command.ts";

describe("explainFailure", () => {
  const DOWN: [words: string, address: string][] = [
    [
      "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
      "unix:///var/run/docker.sock",
    ],
    [
      "Cannot connect to the Docker daemon at tcp://192.0.2.1:2375. Is the docker daemon running?",
      "tcp://192.0.2.1:2375",
    ],
    [
      "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running: dial unix",
      "unix:///var/run/docker.sock",
    ],
  ];
  it.each(DOWN)("knows a daemon that is down: %s", (words, address) => {
    expect(explainFailure(words)).toBe(
      `no Docker daemon answers at ${address}; start it (systemctl start docker), or set DOCKER_HOST`,
    );
  });

  it.each([
    'Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar": dial unix',
    'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar": dial unix',
    "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
  ])("knows a socket that is closed to the user: %s", (words) => {
    expect(explainFailure(words)).toBe(
      "unix:///var/run/docker.sock is closed to this user; run as root or as a member of the group docker",
    );
  });

  it("repeats other words, escaped and bounded", () => {
    expect(
      explainFailure("Error response from daemon: Pool overlaps with other one on this address space"),
    ).toBe("Pool overlaps with other one on this address space");
    expect(explainFailure("a\u001b[2J b")).toBe("a\\u001b[2J b");
    expect(explainFailure("word ".repeat(1000)).length).toBeLessThanOrEqual(400);
  });
});

describe("createDockerCommand", () => {
  it("says what to install where there is no docker", async () => {
    const docker = createDockerCommand("twill-no-such-docker");
    await expect(docker(["version"], new AbortController().signal)).rejects.toThrow(
      "Cannot run twill-no-such-docker: not found in PATH, install docker.io or docker-ce-cli",
    );
  });

  it("passes arguments as they are and the user's environment", async () => {
    const printf = createDockerCommand("printf");
    const run = await printf(["%s|", "$HOME", "a b", ";"], new AbortController().signal);
    expect(run).toMatchObject({ stdout: "$HOME|a b|;|", error: null });
    const env = await createDockerCommand("printenv")(["PATH"], new AbortController().signal);
    expect(env.stdout).toBe(`${process.env.PATH ?? ""}\n`);
  });
});
