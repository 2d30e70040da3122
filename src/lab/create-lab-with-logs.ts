import { createLab } from "./create-lab.ts";
import type { CreateLabOptions } from "./create-lab.ts";
import type { Lab } from "./lab.ts";
import { saveLogs, withLogs } from "./show/save-logs.ts";

/** As {@link createLab}; of a lab that could not be finished the logs are kept, and the error says where. */
export async function createLabWithLogs(options: Omit<CreateLabOptions, "onFailure">): Promise<Lab> {
  const kept: { logs?: string } = {};
  try {
    const onFailure = async (failed: Lab): Promise<void> => {
      kept.logs = await saveLogs(failed);
    };
    return await createLab({ ...options, onFailure });
  } catch (err) {
    throw kept.logs === undefined ? err : withLogs(err, kept.logs);
  }
}
