/**
 * Prints the one plain line a CI reads, `N passed, N failed` and `, N skipped` if any, from vitest's JSON
 * report. A suite that could not be loaded counts as one failed test.
 */
import { readFileSync } from "node:fs";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

const path = process.argv[2];
if (path === undefined) throw new Error("Cannot summarize tests: give the path of vitest's JSON report");
const report = JSON.parse(readFileSync(path, "utf8")) as Report;
const brokenSuites = report.testResults.filter(
  (s) => s.status === "failed" && s.assertionResults.length === 0,
);
const failed = report.numFailedTests + brokenSuites.length;
const skipped = report.numPendingTests + report.numTodoTests;
const tail = skipped > 0 ? `, ${skipped} skipped` : "";
process.stdout.write(`${report.numPassedTests} passed, ${failed} failed${tail}\n`);
