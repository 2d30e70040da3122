import { parseDnsName } from "../dns-name.ts";
import { NamesBuilder } from "../record/host-names.ts";
import type { HostNames } from "../record/host-names.ts";
import type { RunningContainer } from "./container-list.ts";
import type { EndpointAliases } from "./endpoint-aliases.ts";

export interface ContainerNames {
  readonly names: HostNames;
  /** Names that the DNS cannot say: not fit for a log line as they are. */
  readonly skipped: readonly string[];
}

/**
 * The names of the containers: each one's own, which is the owner of its addresses, its service's, and in each network the
 * aliases that it has there.
 */
export function nameContainers(
  containers: readonly RunningContainer[],
  aliases: EndpointAliases,
): ContainerNames {
  const builder = new NamesBuilder();
  const skipped = new Set<string>();
  const say = (texts: readonly string[], add: (name: string) => void): void => {
    for (const text of texts) {
      const name = parseDnsName(text);
      if (name === null) skipped.add(text);
      else add(name);
    }
  };
  for (const { ownNames, serviceNames, endpoints } of containers) {
    for (const { id, address } of endpoints) {
      say(ownNames, (name) => builder.addOwner(name, address));
      say([...serviceNames, ...(aliases.get(id) ?? [])], (name) => builder.add(name, address));
    }
  }
  return { names: builder.build(), skipped: [...skipped] };
}
