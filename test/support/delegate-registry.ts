import type { Registry } from "../../src/subnet-lease/registry.ts";

/** A registry that hands every call on to `registry`, but for those that the test answers by itself. */
export function delegateTo(registry: Registry, own: Partial<Registry>): Registry {
  return {
    read: (...args) => registry.read(...args),
    list: (...args) => registry.list(...args),
    watch: (...args) => registry.watch(...args),
    watchKey: (...args) => registry.watchKey(...args),
    commit: (...args) => registry.commit(...args),
    grant: (...args) => registry.grant(...args),
    keepAlive: (...args) => registry.keepAlive(...args),
    revoke: (...args) => registry.revoke(...args),
    reconnect: () => registry.reconnect(),
    close: () => registry.close(),
    ...own,
  };
}
