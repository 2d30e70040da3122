/** The state on disk: what is there at the start, and every change before anybody hears of it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileError, hasErrorCode } from "../../../files/file-error.ts";
import { replaceFile } from "../../../files/replace-file.ts";
import { OverlayError } from "../../../net/overlay-error.ts";
import { newInstanceId } from "./instance-id.ts";
import type { PluginState } from "./plugin-state.ts";
import { emptyState } from "./plugin-state.ts";
import { decodeState, encodeState } from "./stored-state.ts";

const STATE_FILE = "state.json";
const MODES = { fileMode: 0o600, keepsFileMode: false, directoryMode: 0o700 };

/** The state that counts. One `save` at a time. */
export class StateStore {
  readonly #path: string;
  #state: PluginState;

  private constructor(path: string, state: PluginState) {
    this.#path = path;
    this.#state = state;
  }

  /**
   * Reads the state of an earlier run. Without one it writes an empty one, so that a directory that cannot be written to
   * shows at the start.
   * @throws {OverlayError} `ERR_FILE_FAILED`
   */
  static async open(stateDir: string): Promise<StateStore> {
    const path = join(stateDir, STATE_FILE);
    const stored = await readState(stateDir);
    if (stored !== null) return new StateStore(path, stored);
    const store = new StateStore(path, emptyState(newInstanceId(stateDir)));
    await replaceFile(path, encodeState(store.#state), MODES);
    return store;
  }

  get state(): PluginState {
    return this.#state;
  }

  /**
   * Makes `next` the state, on disk first: whatever ends this process or this host after it, the next run has it. The
   * same value writes nothing.
   * @throws {OverlayError} `ERR_FILE_FAILED`: the state is the old one
   */
  async save(next: PluginState): Promise<void> {
    if (next === this.#state) return;
    await replaceFile(this.#path, encodeState(next), MODES);
    this.#state = next;
  }
}

/** The state in this directory, or null when there is none; writes nothing. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function readState(stateDir: string): Promise<PluginState | null> {
  const path = join(stateDir, STATE_FILE);
  const text = await readIfThere(path);
  return text === null ? null : decode(path, text);
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (err) {
    if (hasErrorCode(err, "ENOENT")) return null;
    throw fileError(`Cannot read ${path}`, path, err, "--state-dir");
  }
}

function decode(path: string, text: string): PluginState {
  try {
    return decodeState(text);
  } catch (cause) {
    const reason = cause instanceof TypeError ? cause.message : String(cause);
    throw new OverlayError(
      "ERR_FILE_FAILED",
      `Cannot read ${path}: ${reason}; remove the containers and networks of twill from Docker, then this file`,
      { path },
      { cause },
    );
  }
}
