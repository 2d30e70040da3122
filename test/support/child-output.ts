import type { ChildProcess } from "node:child_process";

/** Resolves when the process has printed `text`; fails when it ends before. */
export async function printed(child: ChildProcess, text: string): Promise<void> {
  let output = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
      output += piece;
      if (output.includes(text)) resolve();
    });
    child.once("close", (code) => reject(new Error(`It ended with ${code ?? "a signal"} after ${output}`)));
  });
}

/** Resolves with the exit code, or the signal that ended the process. */
export async function endOf(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  return await new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));
}
