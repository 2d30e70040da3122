/** Following a Docker engine whose answers come when and how a test wants: what real ones do now and then. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import { followEngine } from "../../src/names/engine/follow-engine.ts";
import type { HostNames } from "../../src/names/record/host-names.ts";
import { ScriptedEngine, containerId } from "../support/docker/scripted-engine.ts";
import { eventually } from "../support/eventually.ts";
import { prefixOf } from "../support/ipv4.ts";
import { recordLog } from "../support/log-lines.ts";

/** Between an event and the look for it, src/names/engine/follow-engine.ts waits for so much time for others. */
const DEBOUNCE_MS = 100;
/** Far below the pause between two looks without a cause, 30 s. */
const SOON = { timeoutMs: 8_000 };
/** Far below the 5 s that an answer may take, and what is left of a stop's 2 s. */
const AT_ONCE_MS = 1_000;

describe("followEngine", () => {
  let directory: string, dockerSocket: string;
  let engine: ScriptedEngine;
  let names: string[];
  /** What the engine had been asked for at each telling of names. */
  let tellings: { readonly names: string[]; readonly looks: number; readonly inspected: number }[];
  let stop: AbortController;
  let following: Promise<void>;
  const { log, lines } = recordLog();

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-engine-"));
    dockerSocket = join(directory, "docker.sock");
    engine = new ScriptedEngine();
    engine.runs("web");
    names = [];
    tellings = [];
    lines.length = 0;
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await following;
    await engine.stop();
    await rm(directory, { recursive: true });
  });

  function follow(): void {
    const deps = { clock: systemClock, random: Math.random, log };
    const onNames = ({ addresses }: HostNames): void => {
      names = [...addresses.keys()];
      tellings.push({ names, looks: engine.looks, inspected: engine.inspected.length });
    };
    following = followEngine(
      { ...deps, dockerSocket, subnet: prefixOf("10.244.5.0/24"), onNames },
      stop.signal,
    );
  }

  it("looks again after an event that the list does not show yet", async () => {
    await engine.start(dockerSocket);
    follow();
    await eventually(() => expect(names).toEqual(["web"]), SOON);
    const before = engine.looks;
    engine.tellEvent();
    await eventually(() => engine.looks > before, SOON);
    engine.runs(); // no event tells of it
    await eventually(() => expect(names).toEqual([]), SOON);
  });

  it("makes one look of a burst of events", async () => {
    await engine.start(dockerSocket);
    follow();
    await eventually(() => expect(names).toEqual(["web"]), SOON);
    const before = engine.looks;
    engine.runs("web", "db");
    const startMs = performance.now();
    for (let i = 0; i < 30; i++) {
      engine.tellEvent();
      await delay(1); // as events come, each by itself
    }
    await eventually(() => expect(names).toEqual(["db", "web"]), SOON);
    const debounces = (performance.now() - startMs) / DEBOUNCE_MS;
    expect(engine.looks - before).toBeLessThanOrEqual(2 + debounces);
  });

  it("waits for an engine that is not there, says what to do, and comes back to one that was started anew", async () => {
    follow();
    await eventually(() => lines.length > 0, SOON);
    expect(lines[0]).toMatchObject({ level: "warn", msg: "Cannot follow Docker, will retry", dockerSocket });
    expect(JSON.stringify(lines[0])).toContain("nobody listens there; start Docker, or give --docker-socket");
    const info = { level: "info", msg: "Docker tells its containers again" };
    const recovered = () => eventually(() => expect(lines.at(-1)).toMatchObject(info), SOON); // a look has come to its end
    await engine.start(dockerSocket);
    await recovered();
    expect(names).toEqual(["web"]);

    await engine.stop();
    await eventually(() => lines.filter(({ level }) => level === "warn").length === 2, SOON);
    expect(names).toEqual(["web"]); // containers outlive their dockerd
    engine.runs("db");
    await engine.start(dockerSocket);
    await eventually(() => expect(names).toEqual(["db"]), SOON);
    await recovered();
  });

  it("asks for events anew when they end", async () => {
    await engine.start(dockerSocket);
    follow();
    await eventually(() => expect(names).toEqual(["web"]), SOON);
    engine.endStreams();
    await eventually(() => engine.streams === 2, SOON);
  });

  it.each([
    ["an error", { status: 500, list: "{}" }, "it answers with status 500"],
    ["no list", { status: 200, list: '{"message":"no"}' }, "the answer is no JSON list"],
  ])("keeps the names while the engine answers with %s", async (_what, answer, reason) => {
    await engine.start(dockerSocket);
    follow();
    await eventually(() => expect(names).toEqual(["web"]), SOON);
    Object.assign(engine, answer);
    engine.tellEvent();
    await eventually(() => expect(JSON.stringify(lines)).toContain(reason), SOON);
    expect(names).toEqual(["web"]);
    engine.status = 200;
    engine.runs("db");
    await eventually(() => expect(names).toEqual(["db"]), SOON);
  });

  it("learns the aliases of each container once for each of its starts", async () => {
    engine.runsWithAliases({ web: ["Shop.One", "shop"], db: ["shop"] });
    await engine.start(dockerSocket);
    follow();
    await eventually(() => expect(names).toEqual(["db", "shop", "shop.one", "web"]), SOON);
    expect(tellings.map(({ looks }) => looks)).toEqual([1, 1]);
    const before = engine.looks;
    engine.tellEvent();
    await eventually(() => engine.looks > before, SOON);
    engine.runsWithAliases({ web: ["other"], db: ["shop"] }, 2);
    engine.tellEvent();
    await eventually(() => expect(names).toEqual(["db", "other", "shop", "web"]), SOON);
    expect(engine.inspected.toSorted()).toEqual([0, 0, 1, 1].map(containerId));
  });

  it.each([
    ["does not answer for", null, "no answer within"],
    ["answers with rubbish for", "<html>", "no JSON"],
  ])(
    "names the others while the engine %s one container, which is asked for again",
    async (_how, detail, reason) => {
      engine.runsWithAliases({ stuck: ["late"], web: ["shop"] });
      const good = engine.details.get(containerId(0)) ?? "";
      engine.details.set(containerId(0), detail);
      await engine.start(dockerSocket);
      follow();
      await eventually(() => expect(names).toEqual(["shop", "stuck", "web"]), SOON);
      expect(lines).toMatchObject([{ level: "warn", container: containerId(0) }]);
      expect(JSON.stringify(lines)).toContain(reason);
      engine.details.set(containerId(0), good);
      await eventually(() => expect(names).toEqual(["late", "shop", "stuck", "web"]), SOON);
      expect(lines.slice(1)).toMatchObject([
        { level: "info", msg: "Docker answers for every container again" },
      ]);
    },
  );

  /** So many containers that Docker answers for none of, and those of `more` behind them. */
  function runsStuck(count: number, more: Readonly<Record<string, readonly string[]>> = {}): string[] {
    const stuck = Array.from({ length: count }, (_, i) => `stuck-${100 + i}`);
    engine.runsWithAliases({ ...Object.fromEntries(stuck.map((name) => [name, []])), ...more });
    for (let i = 0; i < count; i++) engine.details.set(containerId(i), null);
    return stuck;
  }

  it("names containers, and ends to, before it has asked for all of many that the engine is stuck with", async () => {
    const all = runsStuck(64);
    await engine.start(dockerSocket);
    follow();
    await eventually(() => expect(names).toEqual(all), SOON);
    expect(tellings[0]).toEqual({ names: all, looks: 1, inspected: 0 });
    const remaining = runsStuck(63);
    engine.tellEvent();
    await eventually(() => expect(names).toEqual(remaining), SOON);
    expect(engine.inspected.length).toBeLessThan(64);
  });

  it("tells of each container that the engine is stuck with, and of the end of it when there is none any more", async () => {
    runsStuck(2, { web: [] });
    const detail = engine.details.get(containerId(2)) ?? "";
    await engine.start(dockerSocket);
    follow();
    await eventually(() => lines.length === 2, SOON);
    expect(lines.map(({ container }) => container)).toEqual([0, 1].map(containerId));
    const before = engine.looks;
    engine.details.set(containerId(0), detail);
    engine.tellEvent();
    await eventually(() => engine.looks >= before + 2, SOON);
    expect(lines).toHaveLength(2);
    engine.runs("web"); // the other is gone
    engine.tellEvent();
    await eventually(() => lines.length > 2, SOON);
    expect(lines.slice(2)).toMatchObject([
      { level: "info", msg: "Docker answers for every container again" },
    ]);
  });

  it("learns aliases of a container behind as many as are asked for at once, all stuck", async () => {
    const stuck = runsStuck(9, { web: ["shop"] });
    await engine.start(dockerSocket);
    follow();
    await eventually(() => expect(names).toEqual(["shop", ...stuck, "web"]), SOON);
  });

  it("asks for no container whose id is a path of its own", async () => {
    engine.runs("web");
    engine.list = engine.list.replace(containerId(0), "../images");
    await engine.start(dockerSocket);
    follow();
    await eventually(() => engine.looks === 2, SOON); // the first has come to its end
    expect(names).toEqual(["web"]);
    expect(engine.inspected).toEqual([]);
  });

  it("ends at once while the engine does not answer", async () => {
    await engine.start(dockerSocket);
    engine.isSilent = true;
    follow();
    await eventually(() => engine.looks === 1, SOON);
    const startMs = performance.now();
    stop.abort();
    await following;
    expect(performance.now() - startMs).toBeLessThan(AT_ONCE_MS);
    expect(lines).toEqual([]);
  });

  it("tells once of a name that the DNS cannot say", async () => {
    engine.runs("web-", "db");
    await engine.start(dockerSocket);
    follow();
    await eventually(() => expect(names).toEqual(["db"]), SOON);
    const before = engine.looks;
    engine.tellEvent();
    await eventually(() => engine.looks > before, SOON);
    expect(lines.filter(({ name }) => name === "web-")).toHaveLength(1);
  });
});
