import { writeLabRecord } from "./record-file.ts";
import type { HostRecord, LabRecord } from "./lab-record.ts";

/** A lab's record and its file. Changes are written one after the other, each before what it announces is made. */
export class LabJournal {
  readonly directory: string;
  #record: LabRecord;
  #written: Promise<void> = Promise.resolve();

  constructor(directory: string, record: LabRecord) {
    this.directory = directory;
    this.#record = record;
  }

  get record(): LabRecord {
    return this.#record;
  }

  /** Replaces the record and resolves when it is on disk. */
  async update(change: (record: LabRecord) => LabRecord): Promise<void> {
    this.#record = change(this.#record);
    const written = this.#written.then(() => writeLabRecord(this.directory, this.#record));
    this.#written = written.catch(() => undefined); // the caller below gets the failure; the next write goes on
    await written;
  }

  /** As {@link update}, for the part of one host. */
  async updateHost(name: string, change: (host: HostRecord) => HostRecord): Promise<void> {
    await this.update((record) => ({
      ...record,
      hosts: record.hosts.map((host) => (host.name === name ? change(host) : host)),
    }));
  }
}
