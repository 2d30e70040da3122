/**
 * Keeps the names of this host's containers equal to what its engine says: the list is read at the start, after events,
 * and now and then without one. While the engine is away the last names stay: containers outlive their dockerd.
 */
import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { escapeUntrusted } from "../../net/untrusted-text.ts";
import { Bell } from "../../process/bell.ts";
import { keepTrying } from "../keep-trying.ts";
import type { HostNames } from "../record/host-names.ts";
import { AliasReader } from "./alias-reader.ts";
import { parseContainerList } from "./container-list.ts";
import type { RunningContainer } from "./container-list.ts";
import { nameContainers } from "./container-names.ts";
import { hearEvents, listContainers } from "./docker-api.ts";

/** The start of a compose project is a burst of events. */
const DEBOUNCE_MS = 100;
/**
 * Docker 20.10 tells that a container has died before its list says so: in between the network is given back, which takes a
 * plugin its time. So looks follow an event, each after four times the pause of the one before, up to that of every look.
 */
const LOOK_AGAIN_MS = 1_000;
const LOOK_AGAIN_FACTOR = 4;
/** Finds what an event has not told. */
const LOOK_EVERY_MS = 30_000;
/** Names that were told as skipped: more are somebody's game. */
const MAX_TOLD = 1_000;

export interface FollowEngineOptions {
  readonly dockerSocket: string;
  /** Addresses outside of it are not ours to name. */
  readonly subnet: Ipv4Prefix;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly onNames: (names: HostNames) => void;
}

/** Follows until the signal is aborted, then resolves. */
export async function followEngine(options: FollowEngineOptions, signal: AbortSignal): Promise<void> {
  const memory = { told: new Set<string>(), aliases: new AliasReader(options) };
  const lines = {
    failed: "Cannot follow Docker, will retry",
    recovered: "Docker tells its containers again",
  };
  await keepTrying(
    { ...options, ...lines },
    (onSuccess) => followOnce(options, memory, onSuccess, signal),
    signal,
  );
}

/** What is kept from look to look. */
interface Memory {
  /** Names that the log knows as left out. */
  readonly told: Set<string>;
  readonly aliases: AliasReader;
}

/** From one stream of events to its end. */
async function followOnce(
  options: FollowEngineOptions,
  memory: Memory,
  onLook: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { dockerSocket, clock } = options;
  const bell = new Bell();
  const stream = new AbortController();
  let hasChanged = true;
  const event = (): void => {
    hasChanged = true;
    bell.ring();
  };
  const end = (): void => {
    stream.abort();
    bell.ring();
  };
  try {
    const streamSignal = AbortSignal.any([signal, stream.signal]);
    await hearEvents(dockerSocket, { event, end }, streamSignal);
    for (let pauseMs = LOOK_AGAIN_MS; !stream.signal.aborted; pauseMs *= LOOK_AGAIN_FACTOR) {
      if (hasChanged) pauseMs = LOOK_AGAIN_MS;
      hasChanged = false;
      bell.silence(); // what rang is of before the look; what rings during it is of after
      await look(options, memory, signal);
      onLook();
      await bell.wait(Math.min(pauseMs, LOOK_EVERY_MS), clock, signal);
      await clock.sleep(DEBOUNCE_MS, signal);
    }
  } finally {
    stream.abort();
  }
}

/** Names are told with the aliases that are known, and again when more are: what has stopped is not answered meanwhile. */
async function look(options: FollowEngineOptions, memory: Memory, signal: AbortSignal): Promise<void> {
  const { dockerSocket, subnet } = options;
  const containers = parseContainerList(await listContainers(dockerSocket, signal), subnet);
  tell(containers, options, memory);
  if (await memory.aliases.learn(containers, signal)) tell(containers, options, memory);
}

function tell(
  containers: readonly RunningContainer[],
  { log, onNames }: FollowEngineOptions,
  { told, aliases }: Memory,
): void {
  const { names, skipped } = nameContainers(containers, aliases.known);
  for (const name of skipped) {
    if (told.has(name) || told.size >= MAX_TOLD) continue;
    told.add(name);
    log.debug({ name: escapeUntrusted(name) }, "Container has a name that the DNS cannot say, left out");
  }
  onNames(names);
}
